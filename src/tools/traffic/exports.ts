/** Compares the downloads in both formats with the independent count. */
import type { PeriodName, SiteCount } from "./count.ts"
import { attempt, type Figure } from "./figure.ts"
import type { Parameters, Reader } from "./read.ts"
import { isBody } from "./traffic.ts"

const PERIODS: ReadonlyArray<PeriodName> = ["day", "week", "month"]

/** Rows of text, by column. */
type Rows = ReadonlyArray<Readonly<Record<string, string>>>

/** Parses CSV as defined by RFC 4180: quoted fields may contain separators, line ends and doubled quotes. */
const parseCsv = (text: string): Rows => {
  const lines: Array<Array<string>> = []
  let fields: Array<string> = []
  const FIELD = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y
  while (FIELD.lastIndex < text.length) {
    const found = FIELD.exec(text)
    if (found === null) throw new Error("The export is no CSV.")
    fields.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? "")
    if (found[3] !== ",") {
      lines.push(fields)
      fields = []
    }
  }
  const [header = [], ...rows] = lines
  return rows.map((row) => Object.fromEntries(header.map((name, index) => [name, row[index] ?? ""])))
}

const parseJson = (text: string): Rows => {
  const value: unknown = JSON.parse(text)
  if (!Array.isArray(value)) throw new Error("The export is no JSON array.")
  return value
    .filter(isBody)
    .map((row) => Object.fromEntries(Object.entries(row).map(([name, each]) => [name, String(each)])))
}

const pick = (rows: Rows, columns: ReadonlyArray<string>): Rows =>
  rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column] ?? ""])))

const download = async (
  reader: Reader,
  kind: string,
  format: "csv" | "json" | null,
  parameters: Parameters,
) => {
  const text = await reader.text(`export/${kind}`, { ...parameters, format })
  return format === "json" ? parseJson(text) : parseCsv(text)
}

type Expected = Array<Record<string, string>>

const visitorsOf = (count: SiteCount, period: PeriodName): Expected =>
  [...count.visitors(period, count.now())].map(([visitor_id, visitor]) => ({
    visitor_id,
    first_seen: new Date(visitor.first).toISOString(),
    last_seen: new Date(visitor.last).toISOString(),
    events: String(visitor.events),
    page_views: String(visitor.page_views),
    letters: String(visitor.letters),
  }))

const themesOf = (count: SiteCount, period: PeriodName | null): Expected =>
  count.themes(period, count.now()).map(({ theme, views }) => ({ theme, views: String(views) }))

const lettersOf = (count: SiteCount, period: PeriodName): Expected =>
  count.lettersByDay(period, count.now()).map((row) => ({
    date: row.date,
    motivation: String(row.motivation),
    anti_motivation: String(row.anti_motivation),
    total: String(row.total),
  }))

const sortedBy = (rows: Rows, column: string): Rows =>
  [...rows].sort((a, b) => ((a[column] ?? "") < (b[column] ?? "") ? -1 : 1))

/** Every kind of export for every period, as CSV and as JSON. */
export const checkExports = (reader: Reader, count: SiteCount): ReadonlyArray<Promise<Figure>> => {
  const compare = (
    kind: string,
    period: PeriodName | null,
    format: "csv" | "json" | null,
    expected: () => Expected,
    order: string | null,
  ): Promise<Figure> =>
    attempt(
      reader.site,
      `export ${kind}, ${period ?? "default period"}, ${format ?? "default format"}`,
      async () => {
        const wanted = expected()
        const got = pick(await download(reader, kind, format, { period }), Object.keys(wanted[0] ?? {}))
        return order === null ? [wanted, got] : [sortedBy(wanted, order), sortedBy(got, order)]
      },
    )
  const formats = ["csv", "json"] as const
  return [
    ...PERIODS.flatMap((period) =>
      formats.flatMap((format) => [
        compare("visitors", period, format, () => visitorsOf(count, period), "visitor_id"),
        compare("themes", period, format, () => themesOf(count, period), null),
        compare("letters", period, format, () => lettersOf(count, period), null),
      ]),
    ),
    compare("visitors", null, null, () => visitorsOf(count, "day"), "visitor_id"),
    compare("themes", null, null, () => themesOf(count, null), null),
    compare("letters", null, null, () => lettersOf(count, "day"), null),
  ]
}
