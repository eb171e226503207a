/** Downloads: rows streamed as CSV or JSON, no faster than the client takes them. */
import * as Effect from "effect/Effect"
import { PERIODS, type Period } from "../../domain/period.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import { type Exchange, JSON_TYPE } from "../http/exchange.ts"
import { Problem } from "../http/problem.ts"
import type { Parameters } from "../http/query.ts"
import type { EventQueries, ExportRow, Figures } from "../services/services.ts"
import { EXPORT_FORMATS, EXPORT_MARKS } from "./parameters.ts"

export const EXPORT_KINDS = ["visitors", "themes", "letters"] as const
export type ExportKind = (typeof EXPORT_KINDS)[number]
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

/** Characters collected before they are written. */
const PART_LENGTH = 16 * 1024
/** Milliseconds for which a client may accept nothing before it is disconnected. */
const PATIENCE_MS = 30_000
/** Milliseconds that a whole download may take. */
const DEADLINE_MS = 10 * MINUTE_MS
/** Concurrent downloads: half of the Postgres connections that answer requests, so that reads find one. */
const MAX_DOWNLOADS = 3
/** Most themes in an export: senders choose their names, so nothing else limits how many there are. */
const MAX_THEMES = 10_000

/** Spreadsheets run a cell that begins like this as a formula (https://owasp.org/www-community/attacks/CSV_Injection). */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/

/** A field of RFC 4180; an apostrophe keeps a spreadsheet from running text as a formula. */
export const csvField = (value: unknown): string => {
  if (value === null || value === undefined) return ""
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  const raw = typeof value === "string" ? value : JSON.stringify(value)
  const text = FORMULA.test(raw) ? `'${raw}` : raw
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Tells spreadsheets that a file is UTF-8. */
const BYTE_ORDER_MARK = "\ufeff"

/** Whether a CSV file is asked for that a spreadsheet reads as it is. */
export const wantsMark = (parameters: Parameters): boolean =>
  parameters.oneOf("bom", EXPORT_MARKS, EXPORT_MARKS[0]) === "true"

async function* asCsv(
  rows: AsyncIterable<ExportRow>,
  columns: ReadonlyArray<string>,
  marked: boolean,
): AsyncGenerator<string> {
  yield `${marked ? BYTE_ORDER_MARK : ""}${columns.map(csvField).join(",")}\r\n`
  for await (const row of rows)
    yield `${columns.map((column) => csvField(Reflect.get(row, column))).join(",")}\r\n`
}

async function* asJson(rows: AsyncIterable<ExportRow>): AsyncGenerator<string> {
  let before = "[\n"
  for await (const row of rows) {
    yield `${before}${JSON.stringify(row)}`
    before = ",\n"
  }
  yield before === "[\n" ? "[]\n" : "\n]\n"
}

/** Joins texts into parts that are large enough to be worth a write. */
async function* gather(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let part = ""
  for await (const text of texts) {
    part += text
    if (part.length < PART_LENGTH) continue
    yield part
    part = ""
  }
  if (part !== "") yield part
}

const BUSY = new Problem(
  "TOO_MANY_EXPORTS",
  `At most ${MAX_DOWNLOADS} downloads run at once; try again shortly.`,
)
const LATE = new Problem("STORE_UNAVAILABLE", "The rows could not be read in time; try again later.")

/** Rows that can be abandoned while the next one is awaited, which a generator around them could not do. */
class Rows implements AsyncIterable<ExportRow> {
  readonly #iterator: AsyncIterator<ExportRow>

  constructor(rows: AsyncIterable<ExportRow>) {
    this.#iterator = rows[Symbol.asyncIterator]()
  }

  [Symbol.asyncIterator](): AsyncIterator<ExportRow> {
    return this.#iterator
  }

  /** Ends the rows where they are, and with them whatever reads them. */
  giveUp(): void {
    void this.#iterator.return?.().catch(() => {})
  }
}

/** What is downloaded. */
interface Download {
  /** Called once there is room for the download. */
  readonly rows: () => AsyncIterable<ExportRow>
  readonly texts: (rows: Rows) => AsyncIterable<string>
  readonly type: string
  readonly fileName: string
}

/**
 * Streams parts as the answer. A failure before the first part is answered; a later one breaks the connection. Rows whose
 * client has left, or that take too long, are abandoned at once.
 */
const send = async (
  exchange: Exchange,
  rows: Rows,
  { texts, type, fileName }: Download,
  deadlineMs: number,
): Promise<void> => {
  let begun = false
  exchange.onAbort(() => rows.giveUp())
  const deadline = setTimeout(() => {
    if (begun) return exchange.abandon()
    exchange.refuse(LATE)
    rows.giveUp()
  }, deadlineMs)
  try {
    for await (const part of gather(texts(rows))) {
      if (!begun) exchange.begin(type, `Content-Disposition: attachment; filename="${fileName}"\r\n`)
      begun = true
      if (!exchange.open) return
      if (!exchange.write(part)) await exchange.writable(PATIENCE_MS)
      if (!exchange.open) return
    }
    exchange.end()
  } catch (cause) {
    if (begun) exchange.abandon()
    else exchange.fail(cause)
  } finally {
    clearTimeout(deadline)
  }
}

async function* rowsOf<A extends object>(
  effect: Effect.Effect<ReadonlyArray<A>, unknown>,
): AsyncGenerator<ExportRow> {
  const rows: ReadonlyArray<A> = await Effect.runPromise(effect)
  for (const row of rows) yield row
}

const CSV_TYPE = "text/csv; charset=utf-8; header=present"

/** A table that is downloaded as a file. */
export interface Table {
  readonly columns: ReadonlyArray<string>
  readonly rows: Effect.Effect<ReadonlyArray<ExportRow>, unknown>
  readonly format: ExportFormat
  /** See {@link wantsMark}. */
  readonly marked: boolean
  /** Without its ending. */
  readonly name: string
}

/** Columns of each export, in order. */
export const COLUMNS: { readonly [kind in ExportKind]: ReadonlyArray<string> } = {
  visitors: ["visitor_id", "first_seen", "last_seen", "events", "page_views", "letters"],
  themes: ["theme", "views", "percentage"],
  letters: ["date", "motivation", "anti_motivation", "other", "total"],
}

export class Exports {
  readonly #figures: Figures
  readonly #queries: EventQueries
  readonly #deadlineMs: number
  #downloads = 0

  constructor(figures: Figures, queries: EventQueries, deadlineMs = DEADLINE_MS) {
    this.#figures = figures
    this.#queries = queries
    this.#deadlineMs = deadlineMs
  }

  /** Sends a download, unless as many as may run already do. Never rejects. */
  async #send(exchange: Exchange, download: Download): Promise<void> {
    if (this.#downloads >= MAX_DOWNLOADS) return exchange.refuse(BUSY)
    this.#downloads++
    try {
      await send(exchange, new Rows(download.rows()), download, this.#deadlineMs)
    } catch (cause) {
      exchange.fail(cause)
    } finally {
      this.#downloads--
    }
  }

  #rows(kind: ExportKind, site: string, period: Period | null): AsyncIterable<ExportRow> {
    if (kind === "visitors") return this.#queries.exportVisitors(site, period ?? "day")
    if (kind === "themes") return rowsOf(this.#figures.themes(site, MAX_THEMES, period))
    return rowsOf(this.#figures.lettersByType(site, period ?? "day"))
  }

  /** `GET /export/{kind}`: `period` as the figures of that kind have it, `format` CSV by default. */
  download(kind: ExportKind, exchange: Exchange, parameters: Parameters, site: string) {
    const period = parameters.oneOf("period", PERIODS, null)
    const format: ExportFormat = parameters.oneOf("format", EXPORT_FORMATS, "csv")
    const marked = wantsMark(parameters)
    if (parameters.problem !== null) return exchange.refuse(parameters.problem)
    void this.#send(exchange, {
      rows: () => this.#rows(kind, site, period),
      texts: format === "json" ? asJson : (rows) => asCsv(rows, COLUMNS[kind], marked),
      type: format === "json" ? JSON_TYPE : CSV_TYPE,
      fileName: `${site}-${kind}-${period ?? (kind === "themes" ? "all" : "day")}.${format}`,
    })
  }

  /** Sends a table as a file. */
  table({ columns, rows, format, marked, name }: Table, exchange: Exchange) {
    void this.#send(exchange, {
      rows: () => rowsOf(rows),
      texts: format === "json" ? asJson : (each) => asCsv(each, columns, marked),
      type: format === "json" ? JSON_TYPE : CSV_TYPE,
      fileName: `${name}.${format}`,
    })
  }

  /** `GET /visitors/{id}`: every event of a visitor, as a JSON array within the usual envelope. */
  visitor(visitorId: string, exchange: Exchange) {
    const enveloped = async function* (rows: Rows) {
      yield '{"success":true,"data":'
      yield* asJson(rows)
      yield "}\n"
    }
    void this.#send(exchange, {
      rows: () => this.#queries.exportVisitor(visitorId),
      texts: enveloped,
      type: JSON_TYPE,
      fileName: `visitor-${visitorId}.json`,
    })
  }
}
