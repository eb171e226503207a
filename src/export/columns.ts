/** Exported events: their columns, and an event as a line of JSON. */
import { decodeFact, FACTS, type FactName } from "../domain/dimensions.ts"
import { pageOf } from "../domain/pageUrl.ts"

/** Columns of an exported event and their types in Parquet, by DuckDB's names; as NDJSON, what is no boolean is a text or null. */
export const COLUMNS = {
  id: "VARCHAR",
  visitor_id: "VARCHAR",
  created_at: "TIMESTAMPTZ",
  event_type: "VARCHAR",
  event: "VARCHAR",
  event_data: "VARCHAR",
  page_url: "VARCHAR",
  page: "VARCHAR",
  host: "VARCHAR",
  title: "VARCHAR",
  referrer: "VARCHAR",
  is_bot: "BOOLEAN",
  source: "VARCHAR",
  medium: "VARCHAR",
  channel: "VARCHAR",
  referred_from: "VARCHAR",
  utm_source: "VARCHAR",
  utm_medium: "VARCHAR",
  utm_campaign: "VARCHAR",
  utm_term: "VARCHAR",
  utm_content: "VARCHAR",
  browser: "VARCHAR",
  browser_version: "VARCHAR",
  os: "VARCHAR",
  device: "VARCHAR",
  country: "VARCHAR",
  region: "VARCHAR",
  city: "VARCHAR",
  language: "VARCHAR",
  screen: "VARCHAR",
  bot: "VARCHAR",
} as const

export type Column = keyof typeof COLUMNS

/** An event as it is read for an export. */
export interface ExportedRow extends Readonly<Record<FactName, string | null>> {
  readonly id: string
  readonly visitor_id: string
  /** Unix milliseconds. */
  readonly at: number
  readonly event_type: string
  /** JSON of an object, as stored. */
  readonly event_data: string | null
  readonly page_url: string | null
  readonly referrer: string | null
  readonly bots: boolean
  readonly [column: string]: unknown
}

/** What a stored value is called where the event has a column of that name. `name` is in `event`. */
const COLUMN_OF: { readonly [name: string]: Column | null } = { referrer: "referred_from", name: null }

/** Members of a line that many events share, by what they are told from; forgotten when they are too many. */
const MOST_REMEMBERED = 10_000

const remembered = <A>(make: (text: string | null) => A): ((text: string | null) => A) => {
  const known = new Map<string | null, A>()
  return (text) => {
    const found = known.get(text)
    if (found !== undefined) return found
    if (known.size >= MOST_REMEMBERED) known.clear()
    const made = make(text)
    known.set(text, made)
    return made
  }
}

const json = (value: unknown): string => JSON.stringify(value)

const valuesOf = (text: string | null): ReadonlyArray<string | null> =>
  text === null ? [] : (decodeFact(text) ?? [])

/** The members of a fact's values. */
const membersOf = (fact: FactName) =>
  remembered((text) => {
    const values = valuesOf(text)
    return FACTS[fact]
      .flatMap((name, i) => {
        const column = COLUMN_OF[name] === undefined ? name : COLUMN_OF[name]
        return column === null ? [] : [`,"${column}":${json(values[i] ?? null)}`]
      })
      .join("")
  })

const NAME = FACTS.label.indexOf("name")

/**
 * Makes lines of events: a JSON object each, with every column. `nested` says whether event_data is an object of it, or the text of
 * one, which is kept as it is by whoever has columns of texts.
 */
export const lineMaker = (nested: boolean): ((row: ExportedRow) => string) => {
  const [origin, client, label] = [membersOf("origin"), membersOf("client"), membersOf("label")]
  const named = remembered((text) => valuesOf(text)[NAME] ?? null)
  const page = remembered((url) => {
    const told = url === null ? { page: null, host: null } : pageOf(url)
    return `,"page_url":${json(url)},"page":${json(told.page)},"host":${json(told.host)}`
  })
  return (row) => {
    const data = nested ? (row.event_data ?? "null") : json(row.event_data)
    const event = named(row.label) ?? row.event_type
    return (
      `{"id":"${row.id}","visitor_id":"${row.visitor_id}","created_at":"${new Date(row.at).toISOString()}"` +
      `,"event_type":${json(row.event_type)},"event":${json(event)},"event_data":${data}${page(row.page_url)}` +
      `${label(row.label)},"referrer":${json(row.referrer)},"is_bot":${row.bots}${origin(row.origin)}${client(row.client)}}\n`
    )
  }
}
