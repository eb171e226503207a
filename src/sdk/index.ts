/** `maicivy-analytics/sdk`: a client for servers and browsers, and a middleware for web servers. */
export { Analytics } from "./client.ts"
export {
  type FetchSurroundings,
  fetchPageViews,
  type HonoContext,
  type KoaContext,
  type PageResponse,
  type PageViews,
  pageViews,
  visitorOf,
} from "./middleware.ts"
export type { AnalyticsOptions, EventFields, Loss, Pause } from "./options.ts"
export { DEFAULT_SKIPPED, type PageViewsOptions } from "./pageCounter.ts"
export type { PageRequest } from "./pageRequest.ts"
