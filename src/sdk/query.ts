/**
 * Questions to the server's events, from Node and from browsers. The names are those of `POST /query`; tests keep the lists of metrics,
 * dimensions and ranges equal to the server's.
 */
import { isRecord } from "./answer.ts"
import { API_PATH, explained, messageOf, namesServer } from "./transport.ts"

/** Metrics without a parameter. */
export const QUERY_METRICS = [
  ...(["visitors", "visits", "page_views", "events", "views_per_visit", "bounce_rate"] as const),
  ...(["visit_duration", "percentage", "conversion_rate", "letters"] as const),
] as const

/** Dimensions beside `data.<key>` and `time:<interval>`. */
export const QUERY_DIMENSIONS = [
  ...(["event", "page", "host", "title", "entry_page", "exit_page"] as const),
  ...(["source", "medium", "channel", "referrer"] as const),
  ...(["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"] as const),
  ...(["browser", "browser_version", "os", "device", "country", "region", "city"] as const),
  ...(["language", "screen", "bot"] as const),
] as const

export const QUERY_INTERVALS = ["minute", "hour", "day", "week", "month"] as const

/** Ranges that have a name. */
export const QUERY_RANGES = [
  ...(["realtime", "day", "yesterday", "24h", "7d", "28d", "30d", "91d"] as const),
  ...(["month", "last_month", "year", "12mo", "all"] as const),
] as const

type Of<List extends ReadonlyArray<unknown>> = List[number]

/** What is counted; `sum(data.price)` and its like are of the numbers under a key of `event_data`, `null` where there are none. */
export type QueryMetric = Of<typeof QUERY_METRICS> | `${"sum" | "avg" | "min" | "max"}(data.${string})`

/** What an event is told apart by. */
export type EventDimension = Of<typeof QUERY_DIMENSIONS> | `data.${string}`

/** What a row stands for. */
export type QueryDimension = EventDimension | `time:${Of<typeof QUERY_INTERVALS>}`

type Comparison = "is" | "contains" | "matches"

/** A condition. `null` stands for events without a value, with `is` and `is_not` only. */
export type QueryFilter =
  | readonly [
      operator: Comparison | `${Comparison}_not`,
      dimension: EventDimension,
      values: ReadonlyArray<string | number | boolean | null>,
      options?: { readonly case_sensitive: boolean },
    ]
  | readonly [operator: "is" | "is_not", dimension: "goal", names: ReadonlyArray<string>]
  | readonly [operator: "and" | "or", filters: ReadonlyArray<QueryFilter>]
  | readonly [operator: "not" | "has_done" | "has_not_done", filter: QueryFilter]

/** A question: what is counted, of which events, by what. */
export interface Question<
  Metrics extends ReadonlyArray<QueryMetric> = ReadonlyArray<QueryMetric>,
  Dimensions extends ReadonlyArray<QueryDimension> = ReadonlyArray<QueryDimension>,
> {
  /** A declared site. Default: the server's default site. */
  readonly site?: string | undefined
  /** Several sites, counted together. */
  readonly sites?: ReadonlyArray<string> | undefined
  readonly metrics: Metrics
  /** None, one or two. */
  readonly dimensions?: Dimensions | undefined
  /** All of them must hold. */
  readonly filters?: ReadonlyArray<QueryFilter> | undefined
  /** A named range, two dates (both included), or two instants (the second excluded). Default: `7d`. */
  readonly date_range?: Of<typeof QUERY_RANGES> | readonly [from: string, to: string] | undefined
  /** An IANA zone. Default: that of the sites, or the server's where they have none in common. */
  readonly time_zone?: string | undefined
  readonly compare?: "previous_period" | "previous_year" | undefined
  readonly bots?: "exclude" | "include" | "only" | undefined
  /** Default: by the first metric, descending; by time, ascending. */
  readonly order_by?:
    | ReadonlyArray<readonly [by: QueryMetric | QueryDimension, direction: "asc" | "desc"]>
    | undefined
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

type Value<Metric> = Metric extends Of<typeof QUERY_METRICS> ? number : number | null

type Values<Metrics extends ReadonlyArray<QueryMetric>> = {
  readonly [I in keyof Metrics]: Value<Metrics[I]>
}

/** A row: values in the order in which dimensions and metrics were asked for; a dimension's value that is not known is `null`. */
export interface QueryRow<
  Metrics extends ReadonlyArray<QueryMetric> = ReadonlyArray<QueryMetric>,
  Dimensions extends ReadonlyArray<QueryDimension> = ReadonlyArray<QueryDimension>,
> {
  readonly dimensions: { readonly [I in keyof Dimensions]: string | null }
  readonly metrics: Values<Metrics>
  /** What the metrics were before, where the question compares. */
  readonly comparison?: { readonly metrics: Values<Metrics> }
}

export interface QueryAnswer<
  Metrics extends ReadonlyArray<QueryMetric> = ReadonlyArray<QueryMetric>,
  Dimensions extends ReadonlyArray<QueryDimension> = ReadonlyArray<QueryDimension>,
> {
  readonly results: ReadonlyArray<QueryRow<Metrics, Dimensions>>
  readonly meta: {
    /** Rows that there are, whatever the limit. */
    readonly total_rows: number
    /** Metrics that are not exact. */
    readonly approximate: ReadonlyArray<string>
    /** Whether daily totals are in it, of days whose raw events have expired. */
    readonly imported?: boolean
    /** Sentences about what is not in it. */
    readonly notices?: ReadonlyArray<string>
  }
  /** The question with every default made explicit, its range as instants. */
  readonly query: { readonly [field: string]: unknown }
}

/** Where and how to ask. */
export interface QueryOptions {
  /** The server's URL with its scheme, such as `https://analytics.example`; in a browser a path of the page's own server, too. */
  readonly url: string
  /** Further header fields of the request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** How long an answer may take, milliseconds. Default 20 000. */
  readonly timeoutMs?: number | undefined
  /** Ends the question early. */
  readonly signal?: AbortSignal | undefined
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof fetch | undefined
}

/** Why a question got no answer. */
export class QueryError extends Error {
  override readonly name = "QueryError"
  /** The server's code, such as `INVALID_QUERY`; `INVALID_URL`, `TIMEOUT`, `UNREACHABLE` or `INVALID_ANSWER` where it did not say one. */
  readonly code: string
  /** The answer's status; `null` without an answer. */
  readonly status: number | null
  /** Milliseconds after which it may be asked again, where the server says so. */
  readonly retryAfterMs: number | null

  constructor(
    code: string,
    message: string,
    {
      status = null,
      retryAfterMs = null,
      cause,
    }: { status?: number | null; retryAfterMs?: number | null; cause?: unknown } = {},
  ) {
    super(message, { cause })
    this.code = code
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

const TIMEOUT_MS = 20_000

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const retryAfter = (response: Response): number | null => {
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN)
  return Number.isNaN(seconds) ? null : seconds * 1000
}

const isListOf = (value: unknown, length: number, isEach: (each: unknown) => boolean): boolean =>
  Array.isArray(value) && value.length === length && value.every(isEach)

/** Whether an answer has the form that the question asks for. Whatever else is in it is left to newer servers. */
const answers = <
  Metrics extends ReadonlyArray<QueryMetric>,
  Dimensions extends ReadonlyArray<QueryDimension>,
>(
  { metrics }: Question<Metrics, Dimensions>,
  data: unknown,
): data is QueryAnswer<Metrics, Dimensions> => {
  if (!isRecord(data) || !isRecord(data.meta) || !isRecord(data.query)) return false
  const isMetrics = (of: unknown) =>
    isListOf(of, metrics.length, (each) => each === null || typeof each === "number")
  return (
    typeof data.meta.total_rows === "number" &&
    Array.isArray(data.results) &&
    data.results.every(
      (row: unknown) =>
        isRecord(row) &&
        Array.isArray(row.dimensions) &&
        isMetrics(row.metrics) &&
        (row.comparison === undefined || (isRecord(row.comparison) && isMetrics(row.comparison.metrics))),
    )
  )
}

const refused = (response: Response, body: unknown): QueryError => {
  const { status } = response
  const { code, error } = isRecord(body) ? body : {}
  return new QueryError(
    typeof code === "string" ? code : status >= 400 ? `HTTP_${status}` : "INVALID_ANSWER",
    typeof error === "string" ? error : `The server answered ${status}, and not as it answers questions.`,
    { status, retryAfterMs: retryAfter(response) },
  )
}

/** Sends a question; resolves with the whole answer, whatever it is. */
const send = async (
  question: Question,
  { url, headers, timeoutMs = TIMEOUT_MS, signal, fetch: given }: QueryOptions,
): Promise<readonly [response: Response, text: string]> => {
  const timeout = AbortSignal.timeout(timeoutMs)
  const fetching = given ?? globalThis.fetch.bind(globalThis)
  try {
    const response = await fetching(`${url.replace(/\/+$/, "")}${API_PATH}/query`, {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body: JSON.stringify(question),
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    })
    return [response, await response.text()]
  } catch (cause) {
    if (signal?.aborted === true) throw signal.reason
    if (timeout.aborted)
      throw new QueryError("TIMEOUT", `The server did not answer within ${timeoutMs} ms.`, { cause })
    throw new QueryError("UNREACHABLE", `The server cannot be reached: ${messageOf(cause)}`, { cause })
  }
}

/**
 * Asks a question. Rejects with a {@link QueryError} if there is no answer, or with the signal's reason.
 *
 *   const { results } = await query(
 *     { metrics: ["visitors"], dimensions: ["page"], date_range: "30d" },
 *     { url: "https://analytics.example" },
 *   )
 */
export const query = async <
  const Metrics extends ReadonlyArray<QueryMetric>,
  const Dimensions extends ReadonlyArray<QueryDimension> = readonly [],
>(
  question: Question<Metrics, Dimensions>,
  options: QueryOptions,
): Promise<QueryAnswer<Metrics, Dimensions>> => {
  if (!namesServer(options.url)) throw new QueryError("INVALID_URL", explained(options.url))
  const [response, text] = await send(question, options)
  const body = parse(text)
  const data = isRecord(body) ? body.data : null
  if (!response.ok || !answers(question, data)) throw refused(response, body)
  return data
}
