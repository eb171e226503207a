/** The delta: what nodes tell each other after a batch. It has what dashboards need, and a bound on its size. */
import type { JsonObject } from "../domain/event.ts"
import type { LiveEvent, TypeCounts } from "../domain/frames.ts"

export interface LiveDelta {
  /** The events to be shown one by one. */
  readonly events: ReadonlyArray<LiveEvent>
  /** The number of other events, by site and type. */
  readonly omitted: { readonly [site: string]: TypeCounts }
  /** The number of all events counted, by site. */
  readonly counted: { readonly [site: string]: number }
}

/** A message of the channel. `deployment` is the id of the one that has counted the events. */
export const encodeDelta = (deployment: string, delta: LiveDelta): string =>
  JSON.stringify({ deployment, ...delta })

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0

const isCounts = (value: unknown): value is { readonly [key: string]: number } =>
  isObject(value) && Object.values(value).every(isCount)

const isLiveEvent = (value: unknown): value is LiveEvent =>
  isObject(value) &&
  typeof value.site === "string" &&
  typeof value.type === "string" &&
  typeof value.visitor_id === "string" &&
  typeof value.timestamp === "string" &&
  (value.page_url === null || typeof value.page_url === "string") &&
  (value.data === null || isObject(value.data)) &&
  (value.dimensions === undefined ||
    (isObject(value.dimensions) && Object.values(value.dimensions).every((each) => typeof each === "string")))

const isOmitted = (value: unknown): value is { readonly [site: string]: TypeCounts } =>
  isObject(value) && Object.values(value).every(isCounts)

/**
 * Decodes a message of the channel; `null` if it is another deployment's, or no delta of this version. One that does not say whose it
 * is comes from a node of an earlier version, and is taken for the deployment's own.
 */
export const decodeDelta = (deployment: string, message: string): LiveDelta | null => {
  let value: unknown
  try {
    value = JSON.parse(message)
  } catch {
    return null
  }
  if (!isObject(value)) return null
  const { events, omitted, counted } = value
  if ((value.deployment ?? deployment) !== deployment) return null
  return Array.isArray(events) && events.every(isLiveEvent) && isOmitted(omitted) && isCounts(counted)
    ? { events, omitted, counted }
    : null
}
