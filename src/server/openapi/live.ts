/** What is sent over the WebSocket: OpenAPI cannot describe it, so frames and messages are schemas of their own. */

import {
  CHOICES,
  ERROR_CODES,
  LIVE_DIMENSIONS,
  type LiveEvent,
  MAX_QUERIES,
  MAX_QUERY_ID_LENGTH,
  type NamedFrame,
  type Omitted,
  type PeriodFigures,
  type PongFrame,
  QUERY_TOPIC,
  QUESTIONS,
  type QueryFrame,
  type Refusal,
  type SubscribedFrame,
  TOPICS,
} from "../../domain/frames.ts"
import { EVENT_TYPE, MAX_URL_LENGTH } from "../../domain/limits.ts"
import { RESERVED_TYPES } from "../dashboards/protocol.ts"
import { queryAnswer } from "./questions.ts"
import { array, count, instant, matching, nullable, type Schema, shape, text } from "./schema.ts"
import * as shapes from "./shapes.ts"

type FrameType = NamedFrame["type"]

const typed = (type: FrameType): Schema => ({ const: type })
const topics = { type: "array", items: { type: "string", enum: [...TOPICS] } } as const

const queryId = { type: "string", minLength: 1, maxLength: MAX_QUERY_ID_LENGTH } as const

/** `{"type", "site", "data"}`. */
const figures = (type: FrameType, data: Schema): Schema =>
  shape<{ type: string; site: string; data: unknown }>({ type: typed(type), site: text, data })

const omitted = shape<Omitted>({
  events: count,
  by_type: { type: "object", additionalProperties: count },
})

/** The compiler requires a schema for every frame of the protocol. */
const NAMED: { readonly [type in FrameType]: Schema } = {
  initial_stats: figures("initial_stats", shapes.realtime),
  heartbeat: figures("heartbeat", shapes.realtime),
  stats_update: {
    type: "object",
    properties: { type: typed("stats_update"), site: text, data: shapes.realtime, omitted },
    required: ["type", "site", "data"],
    additionalProperties: false,
  },
  themes: figures("themes", array(shapes.theme)),
  letters: figures("letters", shapes.letters),
  period: figures("period", shape<PeriodFigures>({ stats: shapes.stats, letters: shapes.letters })),
  pong: shape<PongFrame>({
    type: typed("pong"),
    time: { ...count, description: "Unix seconds." },
  }),
  subscribed: shape<SubscribedFrame>({
    type: typed("subscribed"),
    site: text,
    topics,
  }),
  refusals: figures(
    "refusals",
    array(
      shape<Refusal>({
        site: { ...text, description: "As the events have named it: there need not be such a site." },
        code: text,
        host: { ...nullable(text), description: "Of the page that has sent them." },
        events: count,
        timestamp: instant,
      }),
    ),
  ),
  query: shape<QueryFrame>({ type: typed("query"), id: queryId, answer: queryAnswer }),
  error: {
    type: "object",
    properties: {
      type: typed("error"),
      code: { type: "string", enum: [...ERROR_CODES] },
      error: text,
      id: { ...queryId, description: "Of the question that the error is about." },
      site: { ...text, description: "Whose figures the error is sent instead of." },
      topic: { type: "string", enum: [...TOPICS], description: "The topic of those figures." },
    },
    required: ["type", "code", "error"],
    additionalProperties: false,
  },
}

const event = shape<LiveEvent>({
  type: { ...matching(EVENT_TYPE), not: { enum: [...RESERVED_TYPES] } },
  site: text,
  visitor_id: shapes.uuidOut,
  timestamp: instant,
  page_url: { type: ["string", "null"], maxLength: MAX_URL_LENGTH },
  data: { type: ["object", "null"] },
  dimensions: {
    type: "object",
    description: "What is known of where it came from.",
    properties: Object.fromEntries(LIVE_DIMENSIONS.map((name) => [name, text])),
    additionalProperties: false,
  },
})

/** A frame from the server: figures, answers, or an event just counted, whose type is its `event_type`. */
export const serverFrame: Schema = { oneOf: [...Object.values(NAMED), event] }

/** A message from a client. Other members are ignored. */
export const clientMessage: Schema = {
  oneOf: [
    { type: "object", required: ["type"], properties: { type: { enum: [...QUESTIONS] } } },
    {
      type: "object",
      required: ["type", "topics"],
      properties: {
        type: { enum: [...CHOICES] },
        topics,
        site: { type: ["string", "null"], description: "A declared site; defaults to the connection's own." },
      },
    },
    {
      type: "object",
      required: ["type", "topics", "queries"],
      properties: {
        type: { const: "subscribe" },
        topics: { const: [QUERY_TOPIC] },
        queries: {
          type: "object",
          description: "Questions as the body of POST /query, by ids of the client's own.",
          minProperties: 1,
          maxProperties: MAX_QUERIES,
          propertyNames: queryId,
        },
      },
    },
    {
      type: "object",
      required: ["type", "topics", "queries"],
      properties: {
        type: { const: "unsubscribe" },
        topics: { const: [QUERY_TOPIC] },
        queries: array(queryId),
      },
    },
  ],
}
