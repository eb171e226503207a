/** What nodes tell each other's dashboards after a batch: some single events, and sums of the rest. */
import type { JsonObject } from "../domain/event.ts"

/** One event as the live feed shows it. */
export interface LiveEvent {
  readonly site: string
  readonly type: string
  readonly visitor_id: string
  /** ISO 8601. */
  readonly timestamp: string
  readonly page_url: string | null
  readonly data: JsonObject | null
}

export interface LiveDelta {
  readonly events: ReadonlyArray<LiveEvent>
  /** site → event type → events beyond the sender's budget. */
  readonly omitted: { readonly [site: string]: { readonly [type: string]: number } }
  /** site → events counted. */
  readonly counted: { readonly [site: string]: number }
}

export const encodeDelta = (delta: LiveDelta): string => JSON.stringify(delta)

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isCounts = (value: unknown): value is { readonly [key: string]: number } =>
  isObject(value) && Object.values(value).every((count) => typeof count === "number" && count >= 0)

const isLiveEvent = (value: unknown): value is LiveEvent =>
  isObject(value) &&
  ["site", "type", "visitor_id", "timestamp"].every((key) => typeof value[key] === "string") &&
  (value.page_url === null || typeof value.page_url === "string") &&
  (value.data === null || isObject(value.data))

/** Reads a message back; `null` when it is not a delta, for the channel may carry other versions' messages. */
export const decodeDelta = (message: string): LiveDelta | null => {
  let value: unknown
  try {
    value = JSON.parse(message)
  } catch {
    return null
  }
  if (!isObject(value) || !Array.isArray(value.events) || !isObject(value.omitted)) return null
  const { events, omitted, counted } = value
  if (!events.every(isLiveEvent) || !Object.values(omitted).every(isCounts) || !isCounts(counted)) return null
  return { events, omitted: omitted as LiveDelta["omitted"], counted }
}
