/** Chunks of Postgres as lines of JSON, which the query engine reads as a table: dictionaries, and places in them. */
import { decodeFact, FACTS } from "../../domain/dimensions.ts"
import { pageOf } from "../../domain/pageUrl.ts"

/** A chunk as {@link CHUNK_COLUMNS} select it: arrays as JSON, those that are taken apart here as lists. */
export interface ChunkRow {
  readonly first_at: string
  readonly bots: boolean
  readonly pages: ReadonlyArray<string | null>
  readonly origins: ReadonlyArray<string | null> | null
  readonly clients: ReadonlyArray<string | null> | null
  readonly labels: ReadonlyArray<string | null> | null
  readonly rest: string
}

const AS_JSON = [
  "ids",
  "offsets",
  "types",
  "type",
  "page",
  "visitors",
  "visitor",
  "data",
  "origin",
  "client",
  "label",
]

/** SQL: the columns of a {@link ChunkRow}. */
export const CHUNK_COLUMNS = [
  "(extract(epoch FROM first_at) * 1000)::bigint::text AS first_at, bots, pages, origins, clients, labels",
  `concat_ws(',', ${AS_JSON.map((column) => `'"${column}":' || to_json(${column})::text`).join(", ")}) AS rest`,
].join(", ")

/** The dictionary of each value of a fact; its places are those of the fact's. */
const factLists = (fact: keyof typeof FACTS, texts: ReadonlyArray<string | null> | null) => {
  const tuples = (texts ?? []).map((text) => (text === null ? null : decodeFact(text)))
  return FACTS[fact].map((name, i) => ({ name, values: tuples.map((tuple) => tuple?.[i] ?? null) }))
}

const json = JSON.stringify

/** The line of a chunk. */
export const lineOf = ({ first_at, bots, pages, origins, clients, labels, rest }: ChunkRow): string => {
  const told = pages.map((url) => (url === null ? { page: null, host: null } : pageOf(url)))
  const lists = [
    ...[...factLists("origin", origins), ...factLists("client", clients), ...factLists("label", labels)],
    ...[
      { name: "page_of", values: told.map(({ page }) => page) },
      { name: "host", values: told.map(({ host }) => host) },
    ],
  ].map(({ name, values }) => `"d_${name}":${json(values)}`)
  return `{"first_at":${first_at},"bots":${bots},${lists.join()},${rest}}`
}

const FACT_NAMES = Object.entries(FACTS).flatMap(([fact, names]) => names.map((name) => ({ fact, name })))

/** SQL: what `read_json` is to take the lines for. */
export const LINE_TYPES = `{${[
  ...["first_at: 'BIGINT'", "bots: 'BOOLEAN'", "ids: 'UUID[]'", "offsets: 'INTEGER[]'", "types: 'VARCHAR[]'"],
  ...[
    "type: 'SMALLINT[]'",
    "page: 'SMALLINT[]'",
    "visitors: 'UUID[]'",
    "visitor: 'SMALLINT[]'",
    "data: 'VARCHAR[]'",
  ],
  ...["origin: 'SMALLINT[]'", "client: 'SMALLINT[]'", "label: 'SMALLINT[]'"],
  ...["d_page_of: 'VARCHAR[]'", "d_host: 'VARCHAR[]'"],
  ...FACT_NAMES.map(({ name }) => `d_${name}: 'VARCHAR[]'`),
].join(", ")}}`

/** SQL: a chunk's events, each a row; `name` is what the event was called, where it was. */
export const EVENT_ROWS = [
  ...[
    "unnest(ids) AS id",
    "unnest(list_select(visitors, visitor)) AS visitor",
    "first_at + unnest(offsets) AS created_at",
  ],
  ...["unnest(list_select(types, type)) AS type", "unnest(data) AS data", "bots"],
  ...["unnest(list_select(d_page_of, page)) AS page", "unnest(list_select(d_host, page)) AS host"],
  ...FACT_NAMES.map(({ fact, name }) => `unnest(list_select(d_${name}, ${fact})) AS "${name}"`),
].join(", ")
