/**
 * The files of a day: its events in parts, the visits that the events of each part make by themselves, and the visits of the day, which
 * are those of the parts put together. What arrives is a part of its own, so that nothing else is read again but visits; and whatever
 * is sorted is no larger than a part, or than the visits of a share of the visitors, however many events the day has.
 *
 * Two visits of parts are one of the day where their times overlap, or less than the gap of a visit lies between them; what is told of
 * a visit can be told from those of its parts.
 */

import type { DimensionName } from "../../domain/dimensions.ts"
import { AUTOMATIC_TYPES, VISIT_GAP_MS } from "../../domain/visits.ts"
import type { Range } from "../language/index.ts"
import { eventsOfLines, type LinesFile } from "./chunkLines.ts"
import { columns, DIMENSION_NAMES, OF_FIRST_EVENT, quoted } from "./columns.ts"

/** Files of a part: its events, and the visits that they make. */
export interface PartFiles {
  readonly events: string
  readonly visits: string
}

/** Files of a day: those of its parts, and of its visits. */
export interface PartedDay {
  readonly parts: ReadonlyArray<PartFiles>
  readonly visits: string
}

/** Dimensions that events are stored with a value of. */
const STORED = DIMENSION_NAMES.filter(
  (name) => name !== "event" && name !== "entry_page" && name !== "exit_page",
)

/** Dimensions that are each event's own; the others it has of its visit. */
const OWN: ReadonlyArray<DimensionName> = STORED.filter((name) => !OF_FIRST_EVENT.includes(name))

const EVENT = ["id", "visitor", "created_at", "type", "data", "bots", "event", "chunk"]

const IS_VIEW = "type = 'page_view'"

/** An event that makes its visit no bounce. */
const IS_DEED = `type <> 'page_view' AND type NOT IN (${[...AUTOMATIC_TYPES].map(quoted).join(", ")})`

/** Rows that are written together, and their bytes; they are in memory until then. */
const [ROW_GROUP, ROW_GROUP_BYTES] = [61_440, 16 * 1024 * 1024]

/** Bytes of a day's visits that are written together: whoever reads a few of them has these in memory, beside a part's events. */
const VISITS_BYTES = 4 * 1024 * 1024

/** SQL: writes what a statement selects to a file. */
export const copyTo = (target: string, select: string, groupBytes = ROW_GROUP_BYTES): string =>
  `COPY (${select}) TO ${quoted(target)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP}, ROW_GROUP_SIZE_BYTES ${groupBytes})`

/** SQL: the rows of files. */
export const parquet = (files: ReadonlyArray<string>): string =>
  `read_parquet([${files.map(quoted).join(", ")}])`

/** What a part is made of. */
export interface PartSource {
  /** Chunks; `null` for none. */
  readonly lines: LinesFile | null
  /** Files of other parts' events, of which those of some chunks are left out. */
  readonly events: ReadonlyArray<string>
  readonly without: ReadonlyArray<number>
  readonly day: Range
  /** Added to the number of each of its visits. */
  readonly firstVisit: bigint
}

const eventsOfSource = ({ lines, events, without, day }: PartSource): string => {
  const some: Array<string> = []
  if (lines !== null)
    some.push(
      `SELECT ${columns(EVENT).replace('"event"', 'coalesce(name, type) AS "event"')}, ${columns(STORED)} FROM (${eventsOfLines(lines, day)})`,
    )
  if (events.length > 0)
    some.push(
      `SELECT ${columns([...EVENT, ...STORED])} FROM ${parquet(events)} ${without.length === 0 ? "" : `WHERE chunk NOT IN (${without.join(", ")})`}`,
    )
  return some.join(" UNION ALL ")
}

/**
 * A visitor's events in the order of time and id are visits, a new one after a gap, as `domain/visits.ts` defines them: those that are
 * marked apart from the others.
 */
const eventsOfPart = (source: PartSource): string => `
  WITH ordered AS (SELECT * FROM (${eventsOfSource(source)}) ORDER BY visitor, bots, created_at, id), marked AS (
    SELECT *, visitor IS DISTINCT FROM lag(visitor) OVER () OR bots <> lag(bots) OVER ()
      OR created_at - lag(created_at) OVER () >= ${VISIT_GAP_MS} AS begins, (row_number() OVER ())::INTEGER AS place
    FROM ordered
  )
  SELECT * EXCLUDE (begins), (${source.firstVisit} + sum(begins::INTEGER) OVER (ROWS UNBOUNDED PRECEDING))::BIGINT AS visit
  FROM marked`

const visitsOfPart = (events: string): string => `
  SELECT visit, any_value(visitor) AS visitor, any_value(bots) AS bots, min(created_at) AS first_at, max(created_at) AS last_at, arg_min(id, place) AS first_id,
    count(*) FILTER (${IS_VIEW}) AS views, count(*) FILTER (${IS_DEED}) AS deeds,
    arg_min(created_at, place) FILTER (${IS_VIEW}) AS entry_at, arg_min(id, place) FILTER (${IS_VIEW}) AS entry_id,
    arg_min_null(page, place) FILTER (${IS_VIEW}) AS entry_page,
    arg_max(created_at, place) FILTER (${IS_VIEW}) AS exit_at, arg_max(id, place) FILTER (${IS_VIEW}) AS exit_id,
    arg_max_null(page, place) FILTER (${IS_VIEW}) AS exit_page,
    ${OF_FIRST_EVENT.map((name) => `arg_min_null("${name}", place) AS "${name}"`).join(", ")}
  FROM ${parquet([events])} GROUP BY visit`

/** The statement that writes a part's events. */
export const writeEvents = (target: string, source: PartSource): string =>
  copyTo(target, eventsOfPart(source))

/** The statement that writes the visits that a part's events make. */
export const writePartVisits = (target: string, events: string): string =>
  copyTo(target, visitsOfPart(events))

/** One of some shares of all visitors: its number, from 0, and how many there are. */
export interface Share {
  readonly number: number
  readonly of: number
}

/**
 * The statement that writes the visits of a share of the visitors on a day: of each one of a part, which one of the day it belongs to,
 * and what is told of that.
 */
export const writeVisits = (target: string, parts: ReadonlyArray<PartFiles>, { number, of }: Share): string =>
  copyTo(
    target,
    `
    WITH marked AS (
      SELECT * EXCLUDE (${columns(OF_FIRST_EVENT)}), (first_at - max(last_at) OVER (
        PARTITION BY visitor, bots ORDER BY first_at, first_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ) >= ${VISIT_GAP_MS}) IS NOT FALSE AS begins
      FROM ${parquet(parts.map(({ visits }) => visits))}${of === 1 ? "" : ` WHERE hash(visitor) % ${of} = ${number}`}
    ), joined AS (
      SELECT *, last_value(CASE WHEN begins THEN visit END IGNORE NULLS) OVER (
        PARTITION BY visitor, bots ORDER BY first_at, first_id ROWS UNBOUNDED PRECEDING
      ) AS whole
      FROM marked
    ), of_day AS (
      SELECT whole, max(last_at) - min(first_at) AS visit_ms, sum(views) = 1 AND sum(deeds) = 0 AS bounce,
        arg_min_null(entry_page, (entry_at, entry_id)) FILTER (views > 0) AS entry_page,
        arg_max_null(exit_page, (exit_at, exit_id)) FILTER (views > 0) AS exit_page
      FROM joined GROUP BY whole
    )
    SELECT joined.visit AS part_visit, whole AS visit, of_day.visit_ms::BIGINT AS visit_ms, of_day.bounce, of_day.entry_page, of_day.exit_page
    FROM joined JOIN of_day USING (whole)`,
    VISITS_BYTES,
  )

/**
 * SQL: the events of days, each with what is told of its visit and some dimensions. Visits are numbered across days, so one join finds
 * those of all of them: each one more would take its memory before the first answers. Of some parts only, where they are told: a visit
 * of theirs may have begun in another.
 */
export const eventsOfParts = (
  days: ReadonlyArray<PartedDay>,
  dimensions: ReadonlySet<DimensionName> = new Set(DIMENSION_NAMES),
  some?: ReadonlyArray<PartFiles>,
): string => {
  const parts = days.flatMap((day) => day.parts)
  const visits = days.map((day) => day.visits)
  const own = [...dimensions].filter((name) => name === "event" || OWN.includes(name))
  const ofVisit = [...dimensions].filter((name) => name === "entry_page" || name === "exit_page")
  const ofFirst = [...dimensions].filter((name) => OF_FIRST_EVENT.includes(name))
  return `
  SELECT created_at, of_part.visitor, of_visit.visit, type, data, of_part.bots, visit_ms, bounce
    ${own.map((name) => `, of_part."${name}"`).join("")} ${ofVisit.map((name) => `, of_visit."${name}"`).join("")}
    ${ofFirst.map((name) => `, first_part."${name}"`).join("")}
  FROM ${parquet((some ?? parts).map(({ events }) => events))} AS of_part
    JOIN ${parquet(visits)} AS of_visit ON of_part.visit = part_visit
    ${ofFirst.length === 0 ? "" : `JOIN ${parquet(parts.map((part) => part.visits))} AS first_part ON first_part.visit = of_visit.visit`}`
}

/**
 * The statement that writes the events of a part of a day, as they are asked for. Those of a visit are next to each other: they have most
 * of their values in common, so the file is smaller, and questions sooner told from it. Joining may take them apart, so they are sorted.
 */
export const writeAsAsked = (target: string, part: PartFiles, day: PartedDay): string =>
  copyTo(target, `${eventsOfParts([day], undefined, [part])} ORDER BY visit, created_at`)

/** The statement that writes the rows of several files to one. */
export const writeTogether = (target: string, files: ReadonlyArray<string>): string =>
  copyTo(target, `SELECT * FROM ${parquet(files)}`)

/** The statement that writes the visits of all shares of a day's visitors to one file. */
export const writeVisitsTogether = (target: string, files: ReadonlyArray<string>): string =>
  copyTo(target, `SELECT * FROM ${parquet(files)}`, VISITS_BYTES)

/** The statement that writes lines of JSON to a file as a table that has these columns, by their types. */
export const linesToParquet = (
  { path, longest }: LinesFile,
  types: { readonly [column: string]: string },
  target: string,
): string => {
  const fields = Object.entries(types).map(([name, type]) => `"${name}": ${quoted(type)}`)
  return copyTo(
    target,
    `SELECT * FROM read_json(
      ${quoted(path)}, format = 'newline_delimited', columns = {${fields.join(", ")}}, maximum_object_size = ${longest + 2}
    )`,
  )
}
