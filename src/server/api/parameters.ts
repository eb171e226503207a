/** Query parameters of the reads: their ranges and defaults, once for decoding and for the OpenAPI document. */
import { MAX_HEATMAP_POINTS } from "../../events/read/index.ts"
import { type IntegerRange, MAX_INTEGER } from "../http/query.ts"

export const THEMES_LIMIT: IntegerRange = { min: 1, max: 20, fallback: 5 }
export const TIMELINE_LIMIT: IntegerRange = { min: 1, max: 100, fallback: 50 }
export const TIMELINE_OFFSET: IntegerRange = { min: 0, max: MAX_INTEGER, fallback: 0 }
export const HEATMAP_HOURS: IntegerRange = { min: 1, max: 168, fallback: 24 }
/** Edge of a cell; 0 for none. */
export const HEATMAP_GRID: IntegerRange = { min: 0, max: 10_000, fallback: 0 }
export const HEATMAP_LIMIT: IntegerRange = {
  ...{ min: 1, max: MAX_HEATMAP_POINTS, fallback: MAX_HEATMAP_POINTS },
}
/** A day: the longest window that `history` reads. */
export const HISTORY_MINUTES: IntegerRange = { min: 1, max: 1440, fallback: 60 }

export const AUDIT_LIMIT: IntegerRange = { min: 1, max: 1000, fallback: 100 }

export const EXPORT_FORMATS = ["csv", "json"] as const
/** Whether a CSV file begins with a byte order mark. The first is the default: programs would read it as part of a name. */
export const EXPORT_MARKS = ["false", "true"] as const

/** Whether it is told how much is kept of a visitor, rather than what. The first is the default. */
export const SUMMARIES = ["false", "true"] as const
