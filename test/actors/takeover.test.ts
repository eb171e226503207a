/** Partitions that change hands when nobody asked for it: versions, stores that forgot, owners that froze. */
import { randomUUID } from "node:crypto"
import { expect, test } from "vitest"
import { nodesKey } from "../../src/stream/keys.ts"
import { eventually } from "../support/index.ts"
import { type Pipeline, pipeline, run } from "./support.ts"

const sql = (each: Pipeline, statement: string) => run(each.postgres.query("test", statement))

const pageView = (each: Pipeline) => each.send({ event_type: "page_view", visitor_id: randomUUID() })

test("a node that is older than the schema leaves its partitions to newer ones, and nothing is lost", async () => {
  const each = await pipeline()
  each.startNode("old")
  await pageView(each)
  await each.drained()
  // What a newer version does when it migrates.
  await sql(
    each,
    `WITH fenced AS (UPDATE stream_partitions SET epoch = epoch + 1)
     INSERT INTO schema_migrations (version, name) VALUES (999, '999_next')`,
  )
  for (let i = 0; i < 20; i++) await pageView(each)
  // It still takes events, but no partition.
  await eventually(async () =>
    expect(await each.redis.zrange(nodesKey(each.prefix), "0", "-1")).toEqual(["http/old"]),
  )
  expect(await each.backlog()).toBe(20)
  expect(await each.rowCount()).toBe(1)
  // Now this program is the newer one.
  await sql(each, "DELETE FROM schema_migrations WHERE version = 999")
  each.startNode("new")
  await each.drained()
  expect(await each.rowCount()).toBe(21)
  expect(await run(each.figures.stats("main", "day"))).toMatchObject({ total_events: 21 })
})
