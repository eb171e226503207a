/** Questions to the raw events: timeline, heatmap, history, visitors. */
export { type HeatmapPoint, MAX_HEATMAP_POINTS } from "./heatmap.ts"
export type { DayCourse, MinuteOfHistory } from "./history.ts"
export { type EventQueries, makeEventQueries } from "./queries.ts"
export { CURSOR, type EventRow, type TimelineEvent, toTimelineEvent } from "./timeline.ts"
export { eraseVisitor, type VisitorSummary } from "./visitors.ts"
