/** `maicivy-analytics/sdk`: a client for Node and browsers, and a middleware for Node's web servers. */
export { Analytics } from "./client.ts"
export { DEFAULT_SKIPPED, type PageViewsOptions, pageViews, visitorOf } from "./middleware.ts"
export type { AnalyticsOptions, EventFields, Loss, Pause } from "./options.ts"
