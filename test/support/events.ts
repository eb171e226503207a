/** A migrated database of the test's own, and events to put in it. */
import { randomUUID } from "node:crypto"
import { NO_FACTS } from "../../src/domain/dimensions.ts"
import type { StreamEvent } from "../../src/domain/event.ts"
import { Calendar } from "../../src/domain/period.ts"
import { ensureDeployment } from "../../src/events/schema/deployment.ts"
import { type BatchEntry, type BatchWriter, makeBatchWriter } from "../../src/events/write/batchWriter.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { makePostgres, type Postgres, type PostgresOptions } from "../../src/stores/postgres.ts"
import { run, testScope } from "./effects.ts"
import { migratedDatabase } from "./index.ts"

export const UTC = new Calendar("UTC")

/** A pool of a few connections, ended after the test. */
export const connect = (url: string, options: Partial<PostgresOptions> = {}): Promise<Postgres> =>
  testScope().run(
    makePostgres({ url, max: 8, name: "test", statementTimeoutMs: 0, ...options }, new Metrics("test_")),
  )

export interface Database {
  readonly url: string
  readonly postgres: Postgres
  readonly writer: BatchWriter
}

/** The sites that there are. */
export const SITES = ["main", "blog"] as const

/** A migrated database with the sites main and blog. */
export const freshEvents = async (
  settings: { readonly partitions?: number; readonly timeZone?: string } = {},
): Promise<Database> => {
  const url = await migratedDatabase()
  const postgres = await connect(url)
  await run(
    ensureDeployment(postgres, {
      partitions: settings.partitions ?? 2,
      timeZone: settings.timeZone ?? "UTC",
      sites: SITES,
    }),
  )
  return { url, postgres, writer: makeBatchWriter(postgres, SITES) }
}

/** A page view of a new visitor at noon of 2025-12-08, unless told otherwise. */
export const event = (given: Partial<StreamEvent> = {}): StreamEvent => ({
  site: "main",
  id: null,
  visitorId: randomUUID(),
  type: "page_view",
  createdAt: Date.parse("2025-12-08T12:00:00Z"),
  pageUrl: "/",
  referrer: null,
  data: null,
  facts: NO_FACTS,
  ...given,
})

/** Entries with the stream ids `<start>-0`, `<start + 1>-0`, … */
export const entriesFrom = (start: number, events: ReadonlyArray<StreamEvent>): ReadonlyArray<BatchEntry> =>
  events.map((each, i) => ({ streamId: `${start + i}-0`, event: each }))

/** Writes entries as the owner of a partition in an epoch. */
export const write = (
  writer: BatchWriter,
  epoch: number,
  entries: ReadonlyArray<BatchEntry>,
  { partition = 0 }: { readonly partition?: number } = {},
) => writer.write({ partition, epoch, entries, calendar: UTC })

/** The entries' stream ids. */
export const idsOf = (entries: ReadonlyArray<BatchEntry>) => entries.map((entry) => entry.streamId)

/** Writes events as the owner of a partition would, after whatever it holds. */
export const store = async (
  postgres: Postgres,
  events: ReadonlyArray<StreamEvent>,
  { partition = 0, calendar = UTC }: { readonly partition?: number; readonly calendar?: Calendar } = {},
) => {
  const writer = makeBatchWriter(postgres, SITES)
  const { epoch, lastStreamId } = await run(writer.acquireEpoch(partition))
  const start = Number(lastStreamId.split("-")[0]) + 1
  return run(writer.write({ partition, epoch, entries: entriesFrom(start, events), calendar }))
}

/** Rows of a statement, as the driver returns them. */
export const rows = <Row extends Record<string, unknown>>(
  postgres: Postgres,
  statement: string,
  values: ReadonlyArray<unknown> = [],
): Promise<ReadonlyArray<Row>> => run(postgres.query<Row>("test", statement, values))

/** How many rows a FROM clause has. */
export const countOf = async (postgres: Postgres, from: string): Promise<number> => {
  const [row] = await rows<{ count: string }>(postgres, `SELECT count(*) FROM ${from}`)
  return Number(row?.count)
}

/** The daily totals, summed over partitions, as `site day metric name: count` lines in order. */
export const dailyTotals = async (postgres: Postgres): Promise<ReadonlyArray<string>> => {
  const found = await rows<{ line: string }>(
    postgres,
    `SELECT slug || ' ' || day || ' ' || metric || CASE WHEN name = '' THEN '' ELSE ' ' || name END || ': ' || sum(count) AS line
     FROM daily_totals JOIN sites ON sites.id = site_id GROUP BY slug, day, metric, name ORDER BY slug, day, metric, name`,
  )
  return found.map((row) => row.line)
}
