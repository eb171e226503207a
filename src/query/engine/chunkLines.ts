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
import { propertiesOf } from "./properties.ts"

/** A chunk as {@link CHUNK_COLUMNS} select it: arrays as JSON, those that are taken apart here as lists. */
export interface ChunkRow {
  readonly first_at: string
  readonly bots: boolean
  readonly pages: ReadonlyArray<string | null>
  readonly origins: ReadonlyArray<string | null> | null
  readonly clients: ReadonlyArray<string | null> | null
  readonly labels: ReadonlyArray<string | null> | null
  readonly data: ReadonlyArray<string | null>
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
  "origin",
  "client",
  "label",
]

const AS_LISTS = ["pages", "origins", "clients", "labels", "data"]

/** SQL: the columns of a {@link ChunkRow}. Lists come as JSON, which is read several times as fast as arrays. */
export const CHUNK_COLUMNS = [
  "(extract(epoch FROM first_at) * 1000)::bigint::text AS first_at, bots",
  ...AS_LISTS.map((column) => `to_json(${column}) AS ${column}`),
  `concat_ws(',', ${AS_JSON.map((column) => `'"${column}":' || to_json(${column})::text`).join(", ")}) AS rest`,
].join(", ")

/** The dictionary of each value of a fact; its places are those of the fact's. */
const factLists = (fact: keyof typeof FACTS, texts: ReadonlyArray<string | null> | null) => {
  const tuples = (texts ?? []).map((text) => (text === null ? null : decodeFact(text)))
  return FACTS[fact].map((name, i) => ({ name, values: tuples.map((tuple) => tuple?.[i] ?? null) }))
}

const json = JSON.stringify

/** The line of a chunk, which is known by a number. */
const lineOf = (
  { first_at, bots, pages, origins, clients, labels, data, rest }: ChunkRow,
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
  return `{"chunk":${chunk},"first_at":${first_at},"bots":${bots},${lists.join()},"data":${json(data.map(propertiesOf))},${rest}}`
}

const FACT_NAMES = Object.entries(FACTS).flatMap(([fact, names]) => names.map((name) => ({ fact, name })))

const LINE_TYPES = `{${[
  ...["chunk: 'INTEGER'", "first_at: 'BIGINT'", "bots: 'BOOLEAN'", "ids: 'UUID[]'", "offsets: 'INTEGER[]'"],
  "types: 'VARCHAR[]'",
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

/** A file of chunks' lines. */
export interface LinesFile {
  readonly path: string
  /** Of its longest line: what reading it takes of the memory follows from that. */
  readonly longest: number
}

/** SQL: the events of a file of lines that are of a day, each a row; `name` is what the event was called, where it was. */
export const eventsOfLines = ({ path, longest }: LinesFile, { from, until }: Range): string => `
  SELECT * FROM (
    SELECT ${EVENT_ROWS} FROM read_json(
      ${quoted(path)}, format = 'newline_delimited', columns = ${LINE_TYPES}, maximum_object_size = ${longest + 2}
    )
  ) WHERE created_at >= ${from} AND created_at < ${until}`

const onDisk = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: databaseError })

/** What becomes of chunks that are written to a file of lines. */
export interface LineWriter<Row> {
  /** The number of the next chunk; `null` for one that is not written. */
  readonly numberOf: () => number | null
  /** Is told of each line, and how long it is. */
  readonly onLine: (chunk: Row, number: number, bytes: number) => void
}

/** Writes chunks to a file of lines. */
export const writeLines = <Row extends ChunkRow>(
  path: string,
  chunks: Stream.Stream<ReadonlyArray<Row>, StoreError>,
  { numberOf, onLine }: LineWriter<Row>,
): Effect.Effect<LinesFile, StoreError | DatabaseError | NoRoom> =>
  Effect.acquireUseRelease(
    onDisk(() => open(path, "w", 0o600)),
    (file) => {
      let longest = 0
      const write = (rows: ReadonlyArray<Row>) => {
        const lines = rows.flatMap((row) => {
          const number = numberOf()
          if (number === null) return []
          const line = Buffer.from(`${lineOf(row, number)}\n`)
          onLine(row, number, line.length)
          return [line]
        })
        for (const { length } of lines) longest = Math.max(longest, length)
        return onDisk(() => file.writeFile(Buffer.concat(lines)))
      }
      return Effect.map(Stream.runForEach(chunks, write), () => ({ path, longest }))
    },
    (file) => Effect.promise(() => file.close().catch(() => {})),
  )
