/** The events in a body of `POST /events`. */
import { MAX_BATCH_EVENTS } from "../../domain/limits.ts"
import { type BodyFormat, parseJson } from "../http/body.ts"
import { Problem } from "../http/problem.ts"

const TOO_MANY = Problem.of("TOO_MANY_EVENTS")

const FORM = "The body must be a JSON array of events, or one event a line (NDJSON)"

/**
 * One JSON document that is no array: an event, on several lines or not, or what other APIs want around the events, which is
 * refused as a whole. `null` for lines of events, which are no one document.
 */
const oneDocument = (text: string): ReadonlyArray<BatchItem> | Problem | null => {
  const parsed = parseJson(text)
  if (parsed instanceof Problem || typeof parsed.value !== "object" || parsed.value === null) return null
  const { value } = parsed
  if ("event_type" in value || "name" in value) return [{ value }]
  const around = Object.entries(value).find(([, each]) => Array.isArray(each))?.[0]
  return around === undefined
    ? [{ value }]
    : new Problem("INVALID_BODY", `${FORM}, without an object and its ${JSON.stringify(around)} around them.`)
}

/** One event of a batch: a parsed value, or a line yet to be parsed. */
export interface BatchItem {
  readonly value: unknown
  readonly line?: string
}

/**
 * The events of a batch, a JSON array or NDJSON. The content type says which; if it does not, the first character does,
 * since an array begins with `[` and the first of several lines with `{`.
 */
export const batchItems = (text: string, format: BodyFormat): ReadonlyArray<BatchItem> | Problem => {
  const first = text.trimStart().charAt(0)
  if (format === "json" && first !== "{") {
    const parsed = parseJson(text)
    if (parsed instanceof Problem) return parsed
    if (!Array.isArray(parsed.value)) return new Problem("INVALID_BODY", `${FORM}.`)
    return parsed.value.length > MAX_BATCH_EVENTS
      ? TOO_MANY
      : parsed.value.map((value: unknown) => ({ value }))
  }
  const document = format === "json" ? oneDocument(text) : null
  if (document !== null) return document
  const items: Array<BatchItem> = []
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue
    if (items.length === MAX_BATCH_EVENTS) return TOO_MANY
    items.push({ value: undefined, line })
  }
  return items.length === 0
    ? new Problem("INVALID_JSON", "The body is empty: it must be JSON or NDJSON.")
    : items
}
