/** Several hosts in DATABASE_URL: a primary and its synchronous standby, which takes over. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { describe, expect, onTestFinished, test } from "vitest"
import { rebuild } from "../../src/commands/rebuild.ts"
import { withStores } from "../../src/commands/stores.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { checkPostgres } from "../../src/stores/checks.ts"
import { makePostgres } from "../../src/stores/postgres.ts"
import { now } from "../support/clock.ts"
import { run, testScope } from "../support/effects.ts"
import { connect, rows } from "../support/events.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { PostgresPair } from "../support/postgresPair.ts"
import type { PostgresServer } from "../support/postgresServer.ts"

const pair = async () => {
  const started = await PostgresPair.start(temporaryFolder())
  onTestFinished(() => started.stop())
  return started
}

const PORT = "SELECT current_setting('port')::int AS port"

describe("several hosts", () => {
  test("a failover to a synchronous standby loses and doubles nothing, under load", async () => {
    const { primary, standby, url } = await pair()
    const config = await settings({ databaseUrl: url })
    const node = await runNode(config)
    const acknowledged = new Set<string>()
    let sending = true
    const sender = async () => {
      while (sending) {
        const id = randomUUID()
        const event = { event_type: "page_view", id, visitor_id: randomUUID() }
        if ((await node.post(event)) === 201) acknowledged.add(id)
      }
    }
    const senders = [sender(), sender(), sender(), sender()]
    const rowsOf = async (server: PostgresServer) =>
      (await server.ask<{ rows: number }>("SELECT count(*)::int AS rows FROM analytics_events"))[0]?.rows ?? 0
    await eventually(async () => expect(await rowsOf(primary)).toBeGreaterThan(100))

    await primary.kill()
    // It goes on accepting events, which wait in Redis.
    const before = acknowledged.size
    await eventually(() => expect(acknowledged.size).toBeGreaterThan(before + 50))
    await standby.promote()
    const at = await rowsOf(standby)
    await eventually(async () => expect(await rowsOf(standby)).toBeGreaterThan(at + 100))
    sending = false
    await Promise.all(senders)

    const total = acknowledged.size
    const figures = async () => (await node.data("stats?period=month")).total_events
    await eventually(async () => expect(await figures()).toBe(total))
    const held = await standby.ask<{ id: string }>("SELECT id FROM analytics_events")
    expect(held).toHaveLength(total)
    expect(new Set(held.map(({ id }) => id))).toEqual(acknowledged)
    await run(
      Effect.scoped(
        Effect.flatMap(withStores(config), (stores) =>
          rebuild(config, stores, { partitions: null, timeZone: null }, now),
        ),
      ),
    )
    await node.stop()
    const after = await runNode(config)
    expect(await after.data("stats?period=month")).toMatchObject({
      total_events: total,
      unique_visitors: total,
    })
  })

  test("a primary that is frozen is left for the one that was promoted, and no connection goes back to it", async () => {
    const { primary, standby, url } = await pair()
    const postgres = await connect(url, { max: 3, statementTimeoutMs: 200 })
    // Again, where a busy machine takes longer than a statement may.
    const ports = () =>
      eventually(() => Promise.all([1, 2, 3].map(() => rows<{ port: number }>(postgres, PORT))))
    expect(new Set((await ports()).flat().map(({ port }) => port))).toEqual(new Set([primary.port]))
    primary.freeze()
    await standby.promote()
    await eventually(async () =>
      expect(new Set((await ports()).flat().map(({ port }) => port))).toEqual(new Set([standby.port])),
    )
    primary.wake()
    for (let i = 0; i < 5; i++)
      expect(new Set((await ports()).flat().map(({ port }) => port))).toEqual(new Set([standby.port]))
  })

  test("of which none takes writes are each named with the reason", async () => {
    const { primary, standby, url } = await pair()
    await primary.kill()
    const refusalOf = async (at: string) => {
      const postgres = await testScope().run(
        makePostgres({ url: at, max: 1, name: "test", statementTimeoutMs: 0 }, new Metrics("t_")),
      )
      return (await run(Effect.flip(checkPostgres(postgres, at)))).message
    }
    const sentence = await refusalOf(url)
    expect(sentence).toMatch(
      /^DATABASE_URL postgresql:\/\/127\.0\.0\.1:\d+,127\.0\.0\.1:\d+\/analytics cannot be used: /,
    )
    expect(sentence).toContain(`127.0.0.1:${standby.port}: it is a standby, which takes no writes`)
    expect(sentence).toMatch(new RegExp(`127\\.0\\.0\\.1:${primary.port}: connect ECONNREFUSED`))
    expect(await refusalOf(standby.url())).toContain(
      "cannot be used: it is a standby, which takes no writes.",
    )
  })
})
