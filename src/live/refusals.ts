/** What nodes tell each other of events that they have refused: a message of the channel that they listen to anyway. */
import type { Refusal } from "../domain/frames.ts"

/** A message of the channel. `deployment` is the id of the one whose node has refused them. */
export const encodeRefusals = (deployment: string, refused: ReadonlyArray<Refusal>): string =>
  JSON.stringify({ deployment, refused })

const isRefusal = (value: unknown): value is Refusal =>
  typeof value === "object" &&
  value !== null &&
  "site" in value &&
  typeof value.site === "string" &&
  "code" in value &&
  typeof value.code === "string" &&
  "host" in value &&
  (value.host === null || typeof value.host === "string") &&
  "events" in value &&
  typeof value.events === "number" &&
  "timestamp" in value &&
  typeof value.timestamp === "string"

/** Decodes a message of the channel; `null` if it is another deployment's, or says something else. */
export const decodeRefusals = (deployment: string, message: string): ReadonlyArray<Refusal> | null => {
  // Most messages are deltas, which are long and are parsed elsewhere.
  if (!message.startsWith(`{"deployment":${JSON.stringify(deployment)},"refused":`)) return null
  let value: unknown
  try {
    value = JSON.parse(message)
  } catch {
    return null
  }
  return typeof value === "object" &&
    value !== null &&
    "refused" in value &&
    Array.isArray(value.refused) &&
    value.refused.every(isRefusal)
    ? value.refused
    : null
}
