/** The fields of a stream's entry: `e` is an event and `f` its facts, empty where there are none; older entries lack `f`. */
import { ofFields, toFields } from "../domain/payload.ts"

/** The fields that carry a payload. */
export const entryFields = (payload: string): ReadonlyArray<string> => {
  const { event, facts } = toFields(payload)
  return ["e", event, "f", facts]
}

/** The payload of an entry, or of a dead letter; empty if it has none. */
export const payloadIn = (fields: ReadonlyArray<unknown>): string => {
  const field = (name: string): string => {
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return String(fields[i + 1])
    return ""
  }
  return ofFields(field("e"), field("f"))
}
