/**
 * The WebSocket protocol, in the words of `domain/frames.ts`: every frame that the server sends, built here and nowhere else,
 * and every message that a client may send, decoded. When a frame is sent is decided in `hub.ts` and `connections.ts`.
 */
import {
  CHOICES,
  type ClientMessage,
  type LiveEvent,
  MAX_QUERIES,
  MAX_QUERY_ID_LENGTH,
  type MessageCode,
  type NamedFrame,
  type Omitted,
  QUERY_CODES,
  QUERY_TOPIC,
  QUESTIONS,
  type Refusal,
  type ServerFrame,
  TOPICS,
  type Topic,
} from "../../domain/frames.ts"
import { PERIODS, type Period } from "../../domain/period.ts"
import { SEPARATOR } from "../../domain/siteChoice.ts"
import type { Problem } from "../http/problem.ts"

/** Topics whose frames are whole figures, which a client is also sent on subscribing. */
export const FIGURE_TOPICS = ["themes", "letters", ...PERIODS] as const
export type FigureTopic = (typeof FIGURE_TOPICS)[number]

const isOneOf = <const A extends string>(values: ReadonlyArray<A>, value: unknown): value is A =>
  values.some((each) => each === value)

const isTopic = (value: unknown): value is Topic => isOneOf(TOPICS, value)
const isPeriod = (topic: Topic): topic is Period => isOneOf(PERIODS, topic)
export const isFigureTopic = (topic: Topic): topic is FigureTopic => isOneOf(FIGURE_TOPICS, topic)

/** The compiler asks for every name. */
const RESERVED: { readonly [type in NamedFrame["type"]]: true } = {
  initial_stats: true,
  heartbeat: true,
  stats_update: true,
  themes: true,
  letters: true,
  period: true,
  pong: true,
  subscribed: true,
  query: true,
  refusals: true,
  error: true,
}

/** The protocol's own frame types. An event of such a type gets no frame, because clients would take it for the protocol's. */
export const RESERVED_TYPES: ReadonlySet<string> = new Set(Object.keys(RESERVED))

const encode = (frame: ServerFrame): string => JSON.stringify(frame)

/** Characters of the slugs of several sites that a frame names: hundreds of them would be most of every frame, for every dashboard. */
const MAX_SITE_LENGTH = 256

/** A site as frames name it. Of several ones, whose connection knows which they are, the first, and that there are more. */
const named = (site: string): string =>
  site.length <= MAX_SITE_LENGTH ? site : `${site.slice(0, site.lastIndexOf(SEPARATOR, MAX_SITE_LENGTH))},…`

/** A frame around figures that are JSON already; a site is a slug, which JSON does not escape. */
const aroundFigures = (type: NamedFrame["type"], site: string, data: string, more = ""): string =>
  `{"type":"${type}","site":"${named(site)}","data":${data}${more}}`

/** On connecting and on `refresh_stats`. `realtime` is the JSON of a `Realtime`, here and below. */
export const initialStatsFrame = (site: string, realtime: string): string =>
  aroundFigures("initial_stats", site, realtime)

export const heartbeatFrame = (site: string, realtime: string): string =>
  aroundFigures("heartbeat", site, realtime)

/** `omitted` is `null` if nothing was omitted. */
export const statsUpdateFrame = (site: string, realtime: string, omitted: Omitted | null): string =>
  aroundFigures(
    "stats_update",
    site,
    realtime,
    omitted === null ? "" : `,"omitted":${JSON.stringify(omitted)}`,
  )

/** `figures` is JSON: of `ThemeViews[]` for `themes`, of `Letters` for `letters`, else of `PeriodFigures`. */
export const figuresFrame = (site: string, topic: FigureTopic, figures: string): string =>
  aroundFigures(isPeriod(topic) ? "period" : topic, site, figures)

export const eventFrame = (event: LiveEvent): string => {
  const { type, site, visitor_id, timestamp, page_url, data, dimensions = {} } = event
  return encode({ type, site, visitor_id, timestamp, page_url, data, dimensions })
}

/** What was refused lately, the latest first. */
export const refusalsFrame = (site: string, data: ReadonlyArray<Refusal>): string =>
  encode({ type: "refusals", site: named(site), data })

/** @param now unix milliseconds */
export const pongFrame = (now: number): string => encode({ type: "pong", time: Math.floor(now / 1000) })

export const subscribedFrame = (site: string, topics: ReadonlyArray<Topic>): string =>
  encode({ type: "subscribed", site: named(site), topics })

/** `answer` is JSON. */
export const queryFrame = (id: string, answer: string): string =>
  `{"type":"query","id":${JSON.stringify(id)},"answer":${answer}}`

/** Why there are no figures, or no answer to a question. */
type Why = Pick<Problem, "code" | "error">

/** Sent instead of an answer to a question. */
export const queryErrorFrame = (id: string, { code, error }: Why): string =>
  encode({
    type: "error",
    code: QUERY_CODES.find((each) => each === code) ?? "QUERY_ENGINE_UNAVAILABLE",
    error,
    id,
  })

/** The answer to a message that was refused. */
export const errorFrame = ({ code, error }: MessageError): string => encode({ type: "error", code, error })

const STORE_ERROR = {
  type: "error",
  code: "STORE_UNAVAILABLE",
  error: "The figures cannot be read now.",
} as const

/** Sent instead of figures that cannot be asked for. */
export const STORE_ERROR_FRAME = encode(STORE_ERROR)

/**
 * Sent instead of figures: those of several sites are answers to questions, which may be refused as such.
 *
 * @param topic theirs; absent of those that belong to none
 */
export const figuresErrorFrame = (site: string, { code, error }: Why, topic?: Topic): string => {
  const known = QUERY_CODES.find((each) => each === code)
  const why =
    known === undefined || known === "STORE_UNAVAILABLE"
      ? STORE_ERROR
      : ({ type: "error", code: known, error } as const)
  return encode({ ...why, site: named(site), ...(topic !== undefined && { topic }) })
}

/** Why a message was refused: the code, and one sentence that says what would be right. */
export class MessageError {
  readonly code: MessageCode
  readonly error: string
  constructor(code: MessageCode, error: string) {
    this.code = code
    this.error = error
  }
}

const NOT_JSON = new MessageError("INVALID_JSON", "A message must be JSON.")
const NOT_OBJECT = new MessageError("INVALID_MESSAGE", "A message must be a JSON object with a type.")
const UNKNOWN_TYPE = new MessageError(
  "UNKNOWN_TYPE",
  `type must be one of ${[...QUESTIONS, ...CHOICES].join(", ")}.`,
)
const NOT_TOPICS = new MessageError("INVALID_MESSAGE", "topics must be a list of topics.")
const UNKNOWN_TOPIC = new MessageError("UNKNOWN_TOPIC", `topics must be among ${TOPICS.join(", ")}.`)
const UNKNOWN_SITE = new MessageError("UNKNOWN_SITE", "site must be the slug of a declared site.")

const NOT_QUERIES = new MessageError(
  "INVALID_MESSAGE",
  `The topic ${QUERY_TOPIC} is named alone, with queries: to subscribe an object of at most ${MAX_QUERIES} questions by ids of 1 to ${MAX_QUERY_ID_LENGTH} characters, to unsubscribe a list of ids.`,
)

const isQueryId = (id: unknown): id is string =>
  typeof id === "string" && id !== "" && id.length <= MAX_QUERY_ID_LENGTH

const follow = (queries: unknown): ClientMessage | MessageError => {
  if (typeof queries !== "object" || queries === null || Array.isArray(queries)) return NOT_QUERIES
  const all: ReadonlyArray<readonly [string, unknown]> = Object.entries(queries)
  return all.length > 0 && all.length <= MAX_QUERIES && all.every(([id]) => isQueryId(id))
    ? { type: "follow", queries: all }
    : NOT_QUERIES
}

const unfollow = (ids: unknown): ClientMessage | MessageError =>
  Array.isArray(ids) && ids.every(isQueryId) ? { type: "unfollow", ids } : NOT_QUERIES

/** What there is for a client. */
export interface Audible {
  readonly sites: ReadonlySet<string>
  readonly mayHear: (topic: Topic | typeof QUERY_TOPIC) => boolean
}

/** Decodes a text message. To a client there is nothing but what it may see. Never throws. */
export const decodeMessage = (text: string, { sites, mayHear }: Audible): ClientMessage | MessageError => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return NOT_JSON
  }
  if (typeof value !== "object" || value === null || !("type" in value)) return NOT_OBJECT
  const { type } = value
  if (isOneOf(QUESTIONS, type)) return { type }
  if (!isOneOf(CHOICES, type)) return UNKNOWN_TYPE
  const topics = "topics" in value ? value.topics : undefined
  if (!Array.isArray(topics)) return NOT_TOPICS
  if (topics.includes(QUERY_TOPIC)) {
    if (!mayHear(QUERY_TOPIC)) return UNKNOWN_TOPIC
    const queries = "queries" in value ? value.queries : undefined
    return topics.length > 1 ? NOT_QUERIES : type === "subscribe" ? follow(queries) : unfollow(queries)
  }
  if (!topics.every(isTopic) || !topics.every(mayHear)) return UNKNOWN_TOPIC
  const site = "site" in value ? value.site : null
  if (site !== null && (typeof site !== "string" || !sites.has(site))) return UNKNOWN_SITE
  return { type, topics, site }
}
