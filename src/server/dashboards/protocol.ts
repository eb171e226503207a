/**
 * The WebSocket protocol: every frame that the server sends, built here and nowhere else, and every message that a client
 * may send, decoded. When a frame is sent is decided in `hub.ts` and `connections.ts`.
 */
import type { Letters, Realtime, Stats, ThemeViews } from "../../domain/answers.ts"
import { PERIODS, type Period } from "../../domain/period.ts"
import type { LiveEvent, TypeCounts } from "../../live/delta.ts"

/** What a client may subscribe to. */
export const TOPICS = ["stats", "events", "themes", "letters", ...PERIODS] as const
export type Topic = (typeof TOPICS)[number]

/** Topics whose frames are whole figures, which a client is also sent on subscribing. */
export const FIGURE_TOPICS = ["themes", "letters", ...PERIODS] as const
export type FigureTopic = (typeof FIGURE_TOPICS)[number]

/** Messages that ask for an answer, and those that choose topics. */
export const QUESTIONS = ["refresh_stats", "ping"] as const
export const CHOICES = ["subscribe", "unsubscribe"] as const

const isOneOf = <const A extends string>(values: ReadonlyArray<A>, value: unknown): value is A =>
  values.some((each) => each === value)

const isTopic = (value: unknown): value is Topic => isOneOf(TOPICS, value)
const isPeriod = (topic: Topic): topic is Period => isOneOf(PERIODS, topic)
export const isFigureTopic = (topic: Topic): topic is FigureTopic => isOneOf(FIGURE_TOPICS, topic)

/** Why a message may be refused. */
export const MESSAGE_CODES = [
  "INVALID_JSON",
  "INVALID_MESSAGE",
  "UNKNOWN_TYPE",
  "UNKNOWN_TOPIC",
  "UNKNOWN_SITE",
  "BINARY_MESSAGE",
  "MESSAGE_TOO_LARGE",
  "RATE_LIMITED",
] as const

/** Why a message was refused. */
export type MessageCode = (typeof MESSAGE_CODES)[number]

/** The `code` of an error frame: why a message was refused, or that there are no figures to send. */
export const ERROR_CODES = [...MESSAGE_CODES, "STORE_UNAVAILABLE"] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

/** Events counted since the last stats message that the client was not shown one by one. */
export interface Omitted {
  readonly events: number
  readonly by_type: TypeCounts
}

/** All figures of a period. */
export interface PeriodFigures {
  readonly stats: Stats
  readonly letters: Letters
}

interface FiguresFrame<Type extends string, Data> {
  readonly type: Type
  readonly site: string
  readonly data: Data
}

/** Figures of a site: on connecting and on `refresh_stats`, as a heartbeat, and after they have changed. */
export type RealtimeFrame = FiguresFrame<"initial_stats" | "heartbeat", Realtime>
export interface StatsUpdateFrame extends FiguresFrame<"stats_update", Realtime> {
  /** Absent when nothing was omitted. */
  readonly omitted?: Omitted
}
export type ThemesFrame = FiguresFrame<"themes", ReadonlyArray<ThemeViews>>
export type LettersFrame = FiguresFrame<"letters", Letters>
export type PeriodFrame = FiguresFrame<"period", PeriodFigures>

export interface PongFrame {
  readonly type: "pong"
  /** Unix seconds. */
  readonly time: number
}

/** The answer to `subscribe` and `unsubscribe`: what the client is now subscribed to of the site. */
export interface SubscribedFrame {
  readonly type: "subscribed"
  readonly site: string
  readonly topics: ReadonlyArray<Topic>
}

export interface ErrorFrame {
  readonly type: "error"
  readonly code: ErrorCode
  /** One sentence. */
  readonly error: string
}

/** Frames whose `type` is a name of the protocol. */
export type NamedFrame =
  | RealtimeFrame
  | StatsUpdateFrame
  | ThemesFrame
  | LettersFrame
  | PeriodFrame
  | PongFrame
  | SubscribedFrame
  | ErrorFrame

/** An event just counted. Its `type` is the event's, and none of {@link RESERVED_TYPES}. */
export type EventFrame = LiveEvent

/** Whatever the server sends. */
export type ServerFrame = NamedFrame | EventFrame

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
  error: true,
}

/** The protocol's own frame types. An event of such a type has no frame, for clients would take it for the protocol's. */
export const RESERVED_TYPES: ReadonlySet<string> = new Set(Object.keys(RESERVED))

const encode = (frame: ServerFrame): string => JSON.stringify(frame)

/** A frame around figures that are JSON already; a site is a slug, which JSON does not escape. */
const aroundFigures = (type: NamedFrame["type"], site: string, data: string, more = ""): string =>
  `{"type":"${type}","site":"${site}","data":${data}${more}}`

/** `realtime` is the JSON of a {@link Realtime}, here and below. */
export const initialStatsFrame = (site: string, realtime: string): string =>
  aroundFigures("initial_stats", site, realtime)

export const heartbeatFrame = (site: string, realtime: string): string =>
  aroundFigures("heartbeat", site, realtime)

/** `omitted` is `null` when nothing was omitted. */
export const statsUpdateFrame = (site: string, realtime: string, omitted: Omitted | null): string =>
  aroundFigures(
    "stats_update",
    site,
    realtime,
    omitted === null ? "" : `,"omitted":${JSON.stringify(omitted)}`,
  )

/** `figures` is JSON: of `ThemeViews[]` for `themes`, of {@link Letters} for `letters`, of {@link PeriodFigures} else. */
export const figuresFrame = (site: string, topic: FigureTopic, figures: string): string =>
  aroundFigures(isPeriod(topic) ? "period" : topic, site, figures)

export const eventFrame = ({ type, site, visitor_id, timestamp, page_url, data }: LiveEvent): string =>
  encode({ type, site, visitor_id, timestamp, page_url, data })

/** @param now unix milliseconds */
export const pongFrame = (now: number): string => encode({ type: "pong", time: Math.floor(now / 1000) })

export const subscribedFrame = (site: string, topics: ReadonlyArray<Topic>): string =>
  encode({ type: "subscribed", site, topics })

/** The answer to a message that was refused. */
export const errorFrame = ({ code, error }: MessageError): string => encode({ type: "error", code, error })

/** Sent in place of figures that cannot be read. */
export const STORE_ERROR_FRAME = encode({
  type: "error",
  code: "STORE_UNAVAILABLE",
  error: "The figures cannot be read now.",
})

/** Why a message was refused: the code, and one sentence that says what would be right. */
export class MessageError {
  readonly code: MessageCode
  readonly error: string
  constructor(code: MessageCode, error: string) {
    this.code = code
    this.error = error
  }
}

/** A message of a client, decoded. */
export type ClientMessage =
  | { readonly type: "refresh_stats" }
  | { readonly type: "ping" }
  | {
      readonly type: (typeof CHOICES)[number]
      readonly topics: ReadonlyArray<Topic>
      /** `null`: the connection's own. */
      readonly site: string | null
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

/** Decodes a text message; `sites` are the declared ones. Never throws. */
export const decodeMessage = (text: string, sites: ReadonlySet<string>): ClientMessage | MessageError => {
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
  if (!topics.every(isTopic)) return UNKNOWN_TOPIC
  const site = "site" in value ? value.site : null
  if (site !== null && (typeof site !== "string" || !sites.has(site))) return UNKNOWN_SITE
  return { type, topics, site }
}
