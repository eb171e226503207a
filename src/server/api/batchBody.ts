/** The events in a body of `POST /events`. */
import { MAX_BATCH_EVENTS } from "../../domain/limits.ts"
import { type BodyFormat, parseJson } from "../http/body.ts"
import { Problem } from "../http/problem.ts"

const TOO_MANY = Problem.of("TOO_MANY_EVENTS")

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
    if (!Array.isArray(parsed.value))
      return new Problem(
        "INVALID_BODY",
        "The body must be a JSON array of events, or one event a line (NDJSON).",
      )
    return parsed.value.length > MAX_BATCH_EVENTS
      ? TOO_MANY
      : parsed.value.map((value: unknown) => ({ value }))
  }
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
