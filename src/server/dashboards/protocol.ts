/** What clients may say over the WebSocket. */
import { TOPICS, type Topic } from "./hub.ts"

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

/** Why a message was refused; the `code` of the error frame. */
export type MessageCode = (typeof MESSAGE_CODES)[number]

export class MessageError {
  readonly code: MessageCode
  readonly error: string
  constructor(code: MessageCode, error: string) {
    this.code = code
    this.error = error
  }
}

export type ClientMessage =
  | { readonly type: "refresh_stats" }
  | { readonly type: "ping" }
  | {
      readonly type: "subscribe" | "unsubscribe"
      readonly topics: ReadonlyArray<Topic>
      /** `null`: the connection's own. */
      readonly site: string | null
    }

const NOT_JSON = new MessageError("INVALID_JSON", "A message must be JSON.")
const NOT_OBJECT = new MessageError("INVALID_MESSAGE", "A message must be a JSON object with a type.")
const UNKNOWN_TYPE = new MessageError(
  "UNKNOWN_TYPE",
  "type must be one of refresh_stats, ping, subscribe, unsubscribe.",
)
const NOT_TOPICS = new MessageError("INVALID_MESSAGE", "topics must be a list of topics.")
const UNKNOWN_TOPIC = new MessageError("UNKNOWN_TOPIC", `topics must be among ${TOPICS.join(", ")}.`)
const UNKNOWN_SITE = new MessageError("UNKNOWN_SITE", "site must be the slug of a declared site.")

const isTopic = (value: unknown): value is Topic => TOPICS.some((topic) => topic === value)

/** Decodes a text message. Never throws. */
export const decodeMessage = (text: string, sites: ReadonlySet<string>): ClientMessage | MessageError => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return NOT_JSON
  }
  if (typeof value !== "object" || value === null || !("type" in value)) return NOT_OBJECT
  const { type } = value
  if (type === "refresh_stats" || type === "ping") return { type }
  if (type !== "subscribe" && type !== "unsubscribe") return UNKNOWN_TYPE
  const topics = "topics" in value ? value.topics : undefined
  if (!Array.isArray(topics)) return NOT_TOPICS
  if (!topics.every(isTopic)) return UNKNOWN_TOPIC
  const site = "site" in value ? value.site : null
  if (site !== null && (typeof site !== "string" || !sites.has(site))) return UNKNOWN_SITE
  return { type, topics, site }
}
