/** Chunks of Postgres as lines of JSON, which the query engine reads as a table: dictionaries, and places in them. */
import { open } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { decodeFact, FACTS } from "../../domain/dimensions.ts"
import { pageOf } from "../../domain/pageUrl.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Range } from "../language/index.ts"
import { quoted } from "./columns.ts"
import { type DatabaseError, databaseError, type NoRoom } from "./database.ts"

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
  `concat_ws(',', ${AS_JSON.map((column) => `'"${column}":' || coalesce(to_json(${column})::text, 'null')`).join(", ")}) AS rest`,
].join(", ")

/** The dictionary of each value of a fact; its places are those of the fact's. */
const factLists = (fact: keyof typeof FACTS, texts: ReadonlyArray<string | null> | null) => {
  const tuples = (texts ?? []).map((text) => (text === null ? null : decodeFact(text)))
  return FACTS[fact].map((name, i) => ({ name, values: tuples.map((tuple) => tuple?.[i] ?? null) }))
}

const json = JSON.stringify

/** The line of a chunk, which is known by a number. */
const lineOf = (
  { first_at, bots, pages, origins, clients, labels, rest }: ChunkRow,
  chunk: number,
): string => {
  const told = pages.map((url) => (url === null ? { page: null, host: null } : pageOf(url)))
  const lists = [
    ...[...factLists("origin", origins), ...factLists("client", clients), ...factLists("label", labels)],
    ...[
      { name: "page_of", values: told.map(({ page }) => page) },
      { name: "host", values: told.map(({ host }) => host) },
    ],
  ].map(({ name, values }) => `"d_${name}":${json(values)}`)
  return `{"chunk":${chunk},"first_at":${first_at},"bots":${bots},${lists.join()},${rest}}`
}

const FACT_NAMES = Object.entries(FACTS).flatMap(([fact, names]) => names.map((name) => ({ fact, name })))

const LINE: LineTypes = {
  ...{ chunk: "INTEGER", first_at: "BIGINT", bots: "BOOLEAN", ids: ["UUID"], offsets: ["INTEGER"] },
  ...{
    types: ["VARCHAR"],
    type: ["SMALLINT"],
    page: ["SMALLINT"],
    visitors: ["UUID"],
    visitor: ["SMALLINT"],
  },
  ...{ data: ["VARCHAR"], origin: ["SMALLINT"], client: ["SMALLINT"], label: ["SMALLINT"] },
  ...{ d_page_of: ["VARCHAR"], d_host: ["VARCHAR"] },
  ...Object.fromEntries(FACT_NAMES.map(({ name }) => [`d_${name}`, ["VARCHAR"]])),
}

const EVENT_ROWS = [
  ...[
    "unnest(ids) AS id",
    "unnest(list_select(visitors, visitor)) AS visitor",
    "first_at + unnest(offsets) AS created_at",
  ],
  ...["unnest(list_select(types, type)) AS type", "unnest(data) AS data", "bots", "chunk"],
  ...["unnest(list_select(d_page_of, page)) AS page", "unnest(list_select(d_host, page)) AS host"],
  ...FACT_NAMES.map(({ fact, name }) => `unnest(list_select(d_${name}, ${fact})) AS "${name}"`),
].join(", ")

/** A file of lines, each a JSON object. */
export interface LinesFile {
  readonly path: string
  /** Bytes of its longest line: what reading it takes of the memory follows from that. */
  readonly longest: number
}

/** Fields of a line, and their types; those of a list are of one type. */
export type LineTypes = { readonly [field: string]: string | readonly [string] }

/** Read at a time, bytes, where lines are not longer. */
const READ_BYTES = 1024 * 1024

/**
 * SQL: a file of lines as a table. The reader of JSON would take 32 MB of the memory for each thread (DuckDB 1.5, whatever
 * `maximum_object_size` is), so lines are read as texts: a character that JSON has to escape cannot part them.
 */
export const tableOfLines = ({ path, longest }: LinesFile, types: LineTypes): string => {
  const whole = longest + 2
  const options = [
    ...["columns = {line: 'VARCHAR'}", "auto_detect = false", "header = false", "encoding = 'utf-8'"],
    ...["delim = chr(1)", "quote = ''", "escape = ''", "new_line = '\\n'"],
    `max_line_size = ${whole}`,
    `buffer_size = ${Math.max(READ_BYTES, 2 * whole)}`,
  ]
  return `
    SELECT unnest(from_json_strict(line, ${quoted(JSON.stringify(types))}))
    FROM read_csv(${quoted(path)}, ${options.join(", ")})`
}

/** SQL: the events of a file of chunks' lines that are of a day, each a row; `name` is what the event was called, where it was. */
export const eventsOfLines = (file: LinesFile, { from, until }: Range): string => `
  SELECT * FROM (SELECT ${EVENT_ROWS} FROM (${tableOfLines(file, LINE)}))
  WHERE created_at >= ${from} AND created_at < ${until}`

const onDisk = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: databaseError })

/** Writes chunks to a file of lines; each is told its number. */
export const writeLines = <Row extends ChunkRow>(
  path: string,
  chunks: Stream.Stream<ReadonlyArray<Row>, StoreError>,
  numberOf: (chunk: Row) => number,
): Effect.Effect<LinesFile, StoreError | DatabaseError | NoRoom> =>
  Effect.acquireUseRelease(
    onDisk(() => open(path, "w", 0o600)),
    (file) => {
      let longest = 0
      const write = (rows: ReadonlyArray<Row>) => {
        const lines = rows.map((row) => Buffer.from(`${lineOf(row, numberOf(row))}\n`))
        for (const { length } of lines) longest = Math.max(longest, length)
        return onDisk(() => file.writeFile(Buffer.concat(lines)))
      }
      return Effect.map(Stream.runForEach(chunks, write), () => ({ path, longest }))
    },
    (file) => Effect.promise(() => file.close().catch(() => {})),
  )
