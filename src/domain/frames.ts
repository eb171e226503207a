/**
 * The vocabulary of the WebSocket: what clients may say, and every frame that the server sends, as JSON.
 * `server/dashboards/protocol.ts` builds the frames and decodes the messages; the dashboard does the reverse.
 */
import type { Letters, Realtime, Stats, ThemeViews } from "./answers.ts"
import type { JsonObject } from "./event.ts"
import { PERIODS } from "./period.ts"

/** What a client may subscribe to. */
export const TOPICS = ["stats", "events", "themes", "letters", ...PERIODS, "refusals"] as const
export type Topic = (typeof TOPICS)[number]

/** The topic of questions: it is subscribed to by itself, with the questions. */
export const QUERY_TOPIC = "query"
/** Characters of the id under which a dashboard follows a question. */
export const MAX_QUERY_ID_LENGTH = 64
/** Questions that a connection may follow. */
export const MAX_QUERIES = 32

/** Messages that ask for an answer, and those that choose topics. */
export const QUESTIONS = ["refresh_stats", "ping"] as const
export const CHOICES = ["subscribe", "unsubscribe"] as const

/** A message of a client, decoded; `follow` and `unfollow` are of the topic {@link QUERY_TOPIC}. */
export type ClientMessage =
  | { readonly type: "refresh_stats" }
  | { readonly type: "ping" }
  | {
      readonly type: (typeof CHOICES)[number]
      readonly topics: ReadonlyArray<Topic>
      /** `null`: the connection's own. */
      readonly site: string | null
    }
  | {
      readonly type: "follow"
      /** Questions as they were sent, by the ids that the client gives them. */
      readonly queries: ReadonlyArray<readonly [id: string, query: unknown]>
    }
  | { readonly type: "unfollow"; readonly ids: ReadonlyArray<string> }

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

/** Why a question has no answer; the frame has its id. */
export const QUERY_CODES = [
  "INVALID_QUERY",
  "QUERY_TIMEOUT",
  "TOO_MANY_QUERIES",
  "QUERY_ENGINE_UNAVAILABLE",
  "STORE_UNAVAILABLE",
] as const

/** The `code` of an error frame: why a message was refused, or that there are no figures or answers to send. */
export const ERROR_CODES = [...MESSAGE_CODES, ...QUERY_CODES] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

/** Events by type. */
export type TypeCounts = { readonly [eventType: string]: number }

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

/** Events of a site that were not taken, or not counted, for one reason, and from one host. */
export interface Refusal {
  /** As the events have named it: there need not be such a site. Empty where nothing says which one was meant. */
  readonly site: string
  /**
   * A code of a refused event; `BOT`, `DO_NOT_TRACK`; `ORIGIN_NOT_ALLOWED`, of events whose page may not read the answer; or `CORS`, of
   * pages whose browser was told that they may not send any.
   */
  readonly code: string
  /** Of the page that has sent them; `null` where it is not known. */
  readonly host: string | null
  readonly events: number
  /** Of the latest one, ISO 8601. */
  readonly timestamp: string
}

/** What was refused lately: on subscribing, and then what is refused. */
export type RefusalsFrame = FiguresFrame<"refusals", ReadonlyArray<Refusal>>

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
  /** Of the question that the error is about. */
  readonly id?: string
  /** Whose figures the error is sent instead of. */
  readonly site?: string
  /** The topic of those figures; absent of `initial_stats` and of heartbeats. */
  readonly topic?: Topic
}

/** The answer to a question that is followed, and each one that differs from the one before. */
export interface QueryFrame {
  readonly type: "query"
  /** The client's own, from its `subscribe`. */
  readonly id: string
  /** As `POST /query` answers under `data`. */
  readonly answer: unknown
}

/** Frames whose `type` is a name of the protocol. */
export type NamedFrame =
  | RealtimeFrame
  | StatsUpdateFrame
  | ThemesFrame
  | LettersFrame
  | PeriodFrame
  | RefusalsFrame
  | PongFrame
  | SubscribedFrame
  | QueryFrame
  | ErrorFrame

/** An event just counted, as nodes tell each other of it and as a frame. Its `type` is the event's, and no {@link NamedFrame}'s. */
export interface LiveEvent {
  readonly site: string
  readonly type: string
  readonly visitor_id: string
  /** ISO 8601. */
  readonly timestamp: string
  readonly page_url: string | null
  readonly data: JsonObject | null
  /** What is known of where it came from; absent in what nodes of an earlier version tell each other. */
  readonly dimensions?: LiveDimensions
}

/** Dimensions that are shown beside an event just counted. */
export const LIVE_DIMENSIONS = ["source", "country", "device"] as const
export type LiveDimensions = { readonly [name in (typeof LIVE_DIMENSIONS)[number]]?: string }

/** Whatever the server sends. */
export type ServerFrame = NamedFrame | LiveEvent
