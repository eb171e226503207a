/** What goes over the WebSocket: OpenAPI has no words for it, so the frames are schemas of their own. */

import { EVENT_TYPE, MAX_URL_LENGTH } from "../../domain/limits.ts"
import type { TypeCounts } from "../../live/delta.ts"
import { TOPICS } from "../dashboards/hub.ts"
import { MESSAGE_CODES } from "../dashboards/protocol.ts"
import { array, count, instant, matching, type Schema, shape, text } from "./schema.ts"
import * as shapes from "./shapes.ts"

const typed = (type: string): Schema => ({ const: type })
const topics = { type: "array", items: { type: "string", enum: [...TOPICS] } } as const

/** `{"type", "site", "data"}`. */
const figures = (type: string, data: Schema): Schema =>
  shape<{ type: string; site: string; data: unknown }>({ type: typed(type), site: text, data })

const omitted = shape<{ events: number; by_type: TypeCounts }>({
  events: count,
  by_type: { type: "object", additionalProperties: count },
})

/** Frames with a name of their own, in the order of the documentation. */
const NAMED: { readonly [type: string]: Schema } = {
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
  period: figures(
    "period",
    shape<{ stats: unknown; letters: unknown }>({ stats: shapes.stats, letters: shapes.letters }),
  ),
  pong: shape<{ type: string; time: number }>({
    type: typed("pong"),
    time: { ...count, description: "Unix seconds." },
  }),
  subscribed: shape<{ type: string; site: string; topics: unknown }>({
    type: typed("subscribed"),
    site: text,
    topics,
  }),
  error: shape<{ type: string; code: string; error: string }>({
    type: typed("error"),
    code: { type: "string", enum: [...MESSAGE_CODES, "STORE_UNAVAILABLE"] },
    error: text,
  }),
}

const event = shape<{
  type: string
  site: string
  visitor_id: string
  timestamp: string
  page_url: string | null
  data: unknown
}>({
  type: { ...matching(EVENT_TYPE), not: { enum: Object.keys(NAMED) } },
  site: text,
  visitor_id: shapes.uuidOut,
  timestamp: instant,
  page_url: { type: ["string", "null"], maxLength: MAX_URL_LENGTH },
  data: { type: ["object", "null"] },
})

/** A frame from the server: figures, answers, or an event just counted, whose type is its `event_type`. */
export const serverFrame: Schema = { oneOf: [...Object.values(NAMED), event] }

/** A message from a client. Other members are ignored. */
export const clientMessage: Schema = {
  oneOf: [
    { type: "object", required: ["type"], properties: { type: { enum: ["ping", "refresh_stats"] } } },
    {
      type: "object",
      required: ["type", "topics"],
      properties: {
        type: { enum: ["subscribe", "unsubscribe"] },
        topics,
        site: { type: ["string", "null"], description: "A declared site; without it the connection's own." },
      },
    },
  ],
}
