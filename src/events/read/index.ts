/** Questions to the raw events: timeline, heatmap, history, visitors. */
export { MAX_HEATMAP_POINTS } from "./heatmap.ts"
export { type EventQueries, makeEventQueries } from "./queries.ts"
export { CURSOR, type EventRow, toTimelineEvent } from "./timeline.ts"
export { eraseVisitor } from "./visitors.ts"
