/** What was asked before a stop is answered, though all parts of a node end at the same time. */
import pg from "pg"
import { expect, onTestFinished, test } from "vitest"
import { eventually } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"

/** Makes whoever reads raw events or the version of the schema wait. Tells who waits, and ends that. */
const lockTables = async (databaseUrl: string) => {
  const holder = new pg.Client({ connectionString: databaseUrl })
  await holder.connect()
  onTestFinished(() => holder.end())
  await holder.query("BEGIN; LOCK TABLE analytics_events, schema_migrations IN ACCESS EXCLUSIVE MODE")
  // Within one transaction, who is at work stays as it was first seen.
  const watcher = new pg.Client({ connectionString: databaseUrl })
  await watcher.connect()
  onTestFinished(() => watcher.end())
  /** Statements that wait and have begun since a time. */
  const waiting = async (since: Date) => {
    const { rows } = await watcher.query<{ query: string }>(
      "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query_start >= $1",
      [since],
    )
    return rows.map(({ query }) => query)
  }
  const clock = async () => {
    const { rows } = await watcher.query<{ at: Date }>(
      "SELECT date_trunc('milliseconds', clock_timestamp()) AS at",
    )
    return rows[0]?.at ?? new Date()
  }
  return { waiting, clock, release: () => holder.query("COMMIT") }
}

/** The longest time that anything asked here waits for Postgres. */
const ANSWERED_WITHIN_MS = 10_000

/** What the statements of these reads have, and no others. */
const READS = { timeline: "WITH newest AS", heatmap: "click_page IS NULL AS apart", history: "WITH seen AS" }

test("reads under way at a stop are answered, and so is /ready", async () => {
  const config = await settings()
  const node = await runNode(config)
  expect(await node.post({ event_type: "page_view" })).toBe(201)
  await eventually(async () => expect(await node.data("timeline")).toHaveLength(1))
  const { waiting, clock, release } = await lockTables(config.databaseUrl)
  /** Asks, and resolves once the statements wait. What was answered before that is asked again. */
  const begun = async (paths: ReadonlyArray<string>, statements: ReadonlyArray<string>) => {
    const since = await clock()
    return eventually(async () => {
      const answers = paths.map((path) => node.get(path))
      await eventually(
        async () => {
          const found = await waiting(since)
          for (const statement of statements) expect(found.join()).toContain(statement)
        },
        { timeout: ANSWERED_WITHIN_MS },
      )
      return { answers: Promise.all(answers) }
    })
  }
  const reads = await begun(
    ["timeline?limit=7", "heatmap", "history"].map((path) => `/api/v1/analytics/${path}`),
    Object.values(READS),
  )
  // Last: it waits for two seconds only, and says so itself if the stop begins later than that.
  const ready = await begun(["/ready"], ["transaction_read_only"])
  const stopped = node.stop()
  await eventually(() => expect(fetch(`${node.base}/health`)).rejects.toThrow())
  await release()
  expect((await reads.answers).map(({ status }) => status)).toEqual([200, 200, 200])
  expect(await ready.answers).toEqual([expect.objectContaining({ status: 503 })])
  await stopped
})
