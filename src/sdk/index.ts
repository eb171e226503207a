/** `maicivy-analytics/sdk`: a client for servers and browsers, questions, and a middleware for web servers. */
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
export {
  type EventDimension,
  QUERY_DIMENSIONS,
  QUERY_INTERVALS,
  QUERY_METRICS,
  QUERY_RANGES,
  type QueryAnswer,
  type QueryDimension,
  QueryError,
  type QueryFilter,
  type QueryMetric,
  type QueryOptions,
  type QueryRow,
  type Question,
  query,
} from "./query.ts"
