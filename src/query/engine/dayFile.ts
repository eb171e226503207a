/** A day's file: the events of a site on a day of the deployment's zone, with their visits, made of the chunks. */
import { AUTOMATIC_TYPES, VISIT_GAP_MS } from "../../domain/visits.ts"
import { EVENT_ROWS, LINE_TYPES } from "./chunkLines.ts"
import { DIMENSION_NAMES, EVENT_COLUMNS, OF_FIRST_EVENT } from "./columns.ts"

/** A chunk's line at most, bytes: its texts have bounds, see `events/chunks`. */
const MAX_LINE_BYTES = 16 * 1024 * 1024

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

const AUTOMATIC = [...AUTOMATIC_TYPES].map(quoted).join(", ")

/** Dimensions of each event itself. */
const OWN = DIMENSION_NAMES.filter(
  (name) =>
    !OF_FIRST_EVENT.includes(name) && name !== "entry_page" && name !== "exit_page" && name !== "event",
)

/** What makes a day's file. */
export interface DayFile {
  /** The file of chunks' lines. */
  readonly lines: string
  readonly target: string
  /** The day's beginning and end, unix milliseconds. */
  readonly from: number
  readonly until: number
  /** Added to the number of each of its visits. */
  readonly firstVisit: bigint
}

/**
 * The statement that writes the file. Visits are as `domain/visits.ts` defines them: a visitor's events in the order of time and id, a
 * new one after a gap; the file has one day, at whose end visits end.
 */
export const writeDayFile = ({ lines, target, from, until, firstVisit }: DayFile): string => `
  COPY (
    WITH read AS (
      SELECT ${EVENT_ROWS} FROM read_json(
        ${quoted(lines)}, format = 'newline_delimited', columns = ${LINE_TYPES}, maximum_object_size = ${MAX_LINE_BYTES}
      )
    ), of_day AS (
      SELECT * FROM read WHERE created_at >= ${from} AND created_at < ${until}
    ), marked AS (
      SELECT *, visitor IS DISTINCT FROM lag(visitor) OVER ordered OR created_at - lag(created_at) OVER ordered >= ${VISIT_GAP_MS} AS begins
      FROM of_day WINDOW ordered AS (ORDER BY visitor, created_at, id)
    ), numbered AS (
      SELECT *, ${firstVisit} + sum(begins::INTEGER) OVER ordered AS visit, row_number() OVER ordered AS place
      FROM marked WINDOW ordered AS (ORDER BY visitor, created_at, id ROWS UNBOUNDED PRECEDING)
    ), visits AS (
      SELECT visit, max(created_at) - min(created_at) AS visit_ms,
        count(*) FILTER (type = 'page_view') = 1
          AND count(*) FILTER (type <> 'page_view' AND type NOT IN (${AUTOMATIC})) = 0 AS bounce,
        arg_min_null(page, place) FILTER (type = 'page_view') AS entry_page,
        arg_max_null(page, place) FILTER (type = 'page_view') AS exit_page
      FROM numbered GROUP BY visit
    ), first_events AS (
      SELECT visit, ${OF_FIRST_EVENT.map((name) => `"${name}"`).join(", ")} FROM numbered WHERE begins
    )
    SELECT ${Object.entries(EVENT_COLUMNS)
      .map(([name, type]) => `${name}::${type} AS ${name}`)
      .join(", ")},
      coalesce(name, type) AS event, entry_page, exit_page,
      ${OWN.map((name) => `numbered."${name}"`).join(", ")},
      ${OF_FIRST_EVENT.map((name) => `first_events."${name}"`).join(", ")}
    FROM numbered JOIN visits USING (visit) JOIN first_events USING (visit)
    ORDER BY visit, place
  ) TO ${quoted(target)} (FORMAT parquet, COMPRESSION zstd)`
