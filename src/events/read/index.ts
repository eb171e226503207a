/** Questions to the raw events: timeline, heatmap, history, visitors. */
export { MAX_HEATMAP_POINTS } from "./heatmap.ts"
export { type EventQueries, makeEventQueries } from "./queries.ts"
export { type EventRow, PAGE_TOKEN, toTimelineEvent } from "./timeline.ts"
