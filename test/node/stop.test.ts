/** What was asked before a stop is answered, though all parts of a node end at the same time. */
import pg from "pg"
import { expect, onTestFinished, test } from "vitest"
import { eventually } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"

/** Makes whoever reads raw events or the version of the schema wait. Returns what ends that. */
const lockTables = async (databaseUrl: string) => {
  const holder = new pg.Client({ connectionString: databaseUrl })
  await holder.connect()
  onTestFinished(() => holder.end())
  await holder.query("BEGIN; LOCK TABLE analytics_events, schema_migrations IN ACCESS EXCLUSIVE MODE")
  const waiting = async () => {
    const { rows } = await holder.query<{ waiting: number }>(
      "SELECT count(*)::int AS waiting FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    return rows[0]?.waiting ?? 0
  }
  return { waiting, release: () => holder.query("COMMIT") }
}

test("reads under way at a stop are answered, and so is /ready", async () => {
  const config = await settings()
  const node = await runNode(config)
  expect(await node.post({ event_type: "page_view" })).toBe(201)
  await eventually(async () => expect(await node.data("timeline")).toHaveLength(1))
  const { waiting, release } = await lockTables(config.databaseUrl)
  const reads = Promise.all(
    ["timeline?limit=7", "heatmap", "history"].map((path) => node.get(`/api/v1/analytics/${path}`)),
  )
  const ready = node.get("/ready")
  await eventually(async () => expect(await waiting()).toBeGreaterThanOrEqual(4))
  const stopped = node.stop()
  await eventually(() => expect(fetch(`${node.base}/health`)).rejects.toThrow())
  await release()
  expect((await reads).map(({ status }) => status)).toEqual([200, 200, 200])
  expect(await ready).toEqual({ status: 503, text: expect.stringContaining("about to stop") })
  await stopped
})
