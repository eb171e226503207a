/** The table of events that questions are put to: its columns, and the SQL by which a dimension is read from them. */
import { CLICK_TYPES } from "../../domain/aggregation.ts"
import { DIMENSIONS, type DimensionName } from "../../domain/dimensions.ts"
import type { FigureDimension, FilterDimension } from "../language/index.ts"
import { propertyValue } from "./properties.ts"
import type { Values } from "./values.ts"

/**
 * Columns of a day's file beside one for each dimension. A dimension that a visit has one value of is, of each of its events, that of
 * the visit's first event, or of its first or last page view.
 */
export const EVENT_COLUMNS = {
  /** Unix milliseconds. */
  created_at: "BIGINT",
  visitor: "UUID",
  /** Number of the visit: no other one of any day and site has it. */
  visit: "BIGINT",
  type: "VARCHAR",
  /** Properties (`properties.ts`). */
  data: "VARCHAR",
  bots: "BOOLEAN",
  /** Of the visit: milliseconds from its first event to its last, and whether it is a bounce. */
  visit_ms: "BIGINT",
  bounce: "BOOLEAN",
} as const

const names = Object.keys as (of: typeof DIMENSIONS) => ReadonlyArray<DimensionName>

export const DIMENSION_NAMES = names(DIMENSIONS)

/** Dimensions of which every event of a visit has the value of the first. */
export const OF_FIRST_EVENT = DIMENSION_NAMES.filter((name) => DIMENSIONS[name].visit === "first")

/** SQL: a text. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** SQL: the names of columns. */
export const columns = (names: ReadonlyArray<string>, of = ""): string =>
  names.map((name) => `${of}"${name}"`).join(", ")

/** SQL: an event's value of a dimension, a text or NULL. */
export const dimensionValue = (dimension: FilterDimension, values: Values): string => {
  if (dimension.of !== "list") return propertyValue(dimension.key, ["string", "number", "boolean"], values)
  values.dimensions.add(dimension.name)
  return `"${dimension.name}"`
}

/** SQL: the number under a key of event_data; NULL where there is none. */
export const numberOf = (key: string, values: Values): string =>
  `(${propertyValue(key, ["number"], values)})::DOUBLE`

/** SQL: what an event counts for in one of the API's figures, as `domain/aggregation.ts` defines it; NULL where it is in none. */
export const figureValue = (dimension: FigureDimension, values: Values): string => {
  switch (dimension.name) {
    case "theme":
      return `CASE WHEN type = 'cv_theme_change' THEN nullif(${propertyValue("theme", ["string"], values)}, '') END`
    case "letter_type": {
      const letterType = propertyValue("letter_type", ["string"], values)
      return `CASE WHEN type = 'letter_generate' AND ${letterType} IN ('motivation', 'anti_motivation') THEN ${letterType} END`
    }
    default: {
      const { name, grid } = dimension
      const at = numberOf(name, values)
      const edge = grid === null ? null : `${values.add(grid)}::DOUBLE`
      const place = edge === null ? at : `floor(${at} / ${edge}) * ${edge}`
      return `CASE WHEN type IN (${[...CLICK_TYPES].map(quoted).join(", ")}) THEN ${place} END`
    }
  }
}
