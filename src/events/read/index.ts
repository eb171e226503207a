/** Questions to the raw events: timeline, heatmap, history, visitors. */
export { MAX_HEATMAP_POINTS } from "./heatmap.ts"
export { type EventQueries, makeEventQueries } from "./queries.ts"
export { PAGE_TOKEN, SITE_EVENT_COLUMNS, type SiteEventRow, toSiteEvent } from "./timeline.ts"
export { keptOfVisitor } from "./visitors.ts"
