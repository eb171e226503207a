/** `maicivy-analytics/sdk`: a client for Node and browsers, and a middleware for Node's web servers. */
export {
  Analytics,
  type AnalyticsOptions,
  type EventFields,
  type Loss,
  type Pause,
} from "./client.ts"
export { DEFAULT_SKIPPED, type PageViewsOptions, pageViews, visitorOf } from "./middleware.ts"
