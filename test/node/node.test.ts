import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { expect, onTestFinished, test } from "vitest"
import { rebuild } from "../../src/commands/rebuild.ts"
import { describeRetention, retain } from "../../src/commands/retention.ts"
import { type CommandStores, withStores } from "../../src/commands/stores.ts"
import type { AppConfig } from "../../src/config/settings.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { fingerprint, partitionOf } from "../../src/domain/visitor.ts"
import { DROP_REASONS } from "../../src/server/http/refusalCodes.ts"
import { figureKeys } from "../../src/stores/redisKeys.ts"
import { now } from "../support/clock.ts"
import { run } from "../support/effects.ts"
import { eventually } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"

const command = <A, E>(
  config: AppConfig,
  body: (stores: CommandStores) => Effect.Effect<A, E, Scope.Scope>,
) => run(Effect.scoped(Effect.flatMap(withStores(config), body)))

test("an event goes the whole way: figures, rows, metrics, dashboards", async () => {
  const node = await runNode(await settings())
  const frames: Array<{ type: string; site?: string; page_url?: string }> = []
  const socket = new WebSocket(`${node.base.replace("http", "ws")}/ws/analytics`)
  socket.onmessage = ({ data }) => frames.push(JSON.parse(String(data)))
  onTestFinished(() => socket.close())
  await eventually(() => expect(frames[0]?.type).toBe("initial_stats"))
  expect(
    await node.post({ event_type: "page_view", page_url: "/cv?theme=x", visitor_id: randomUUID() }),
  ).toBe(201)
  expect(await node.post({ event_type: "letter_generate", event_data: { letter_type: "motivation" } })).toBe(
    201,
  )
  await eventually(() =>
    expect(frames).toContainEqual(expect.objectContaining({ type: "page_view", page_url: "/cv?theme=x" })),
  )
  await eventually(async () =>
    expect(await node.data("stats")).toMatchObject({ total_events: 2, letters_generated: 1 }),
  )
  expect(await node.data("timeline")).toHaveLength(2)
  const { text } = await node.get("/metrics")
  for (const line of [
    'maicivy_events_total{event_type="page_view"} 1',
    'maicivy_page_views_total{path="/cv"} 1',
    'maicivy_letters_generated_total{type="motivation"} 1',
    "maicivy_visitors_total 2",
    "maicivy_current_visitors 2",
    "maicivy_conversion_rate 0.5",
    "maicivy_websocket_connections 1",
    'maicivy_stream_backlog{partition="0"} 0',
  ]) {
    expect(text).toContain(line)
  }
  expect(text).toMatch(/^process_start_time_seconds \d/m)
  expect((await node.get("/ready")).status).toBe(200)
})

test("what is known of labels is there from the first scrape, so that its first step is seen", async () => {
  const node = await runNode(await settings())
  const { text } = await node.get("/metrics")
  for (const series of [
    'letters_generated_total{type="anti_motivation"}',
    'events_total{event_type="pdf_download"}',
    'dead_lettered_total{reason="fatal"}',
    'batch_retries_total{store="redis"}',
    'retention_rows_total{path="partition"}',
    'websocket_messages_total{direction="in"}',
    'websocket_dropped_total{reason="slow"}',
    'websocket_dropped_total{reason="connection_limit"}',
    "figure_losses_total",
    ...[...DROP_REASONS].map((reason) => `events_rejected_total{reason="${reason}"}`),
  ])
    expect(text).toContain(`\nmaicivy_${series} 0\n`)
  for (const store of ["redis", "postgres"])
    expect(text).toContain(`\nmaicivy_store_up{store="${store}"} 1\n`)
  for (const partition of [0, 1])
    expect(text).toContain(`\nmaicivy_figures_lost{partition="${partition}"} 0\n`)
})

test("a node without http answers only what operators ask; one without actors leaves events to others", async () => {
  const config = await settings()
  const front = await runNode({ ...config, roles: ["http"] })
  expect(await front.post({ event_type: "page_view" })).toBe(201)
  expect(await front.data("stats")).toMatchObject({ total_events: 0 })
  await expect(
    command(config, (stores) => rebuild(config, stores, { partitions: 3, timeZone: null }, now)),
  ).rejects.toThrow(/1 node\(s\) run/)
  const back = await runNode({ ...config, roles: ["actors"] })
  await eventually(async () => expect(await front.data("stats")).toMatchObject({ total_events: 1 }))
  expect(await back.post({ event_type: "page_view" })).toBe(404)
  for (const path of ["/health", "/ready", "/metrics"]) expect((await back.get(path)).status).toBe(200)
  for (const path of ["/", "/tracker.js", "/api/v1/analytics/stats"])
    expect((await back.get(path)).status).toBe(404)
})

test("a visitor is exported and erased wherever it is known", async () => {
  const config = await settings()
  const node = await runNode(config)
  const visitor = randomUUID()
  for (const site of ["main", "blog"]) {
    expect(await node.post({ event_type: "page_view", visitor_id: visitor, site })).toBe(201)
    expect(await node.post({ event_type: "page_view", site })).toBe(201)
  }
  await eventually(async () => expect((await node.admin("GET", visitor)).body.data).toHaveLength(2))
  const found = ["blog", "main"].map((site) => ({ site, events: 1 }))
  expect((await node.admin("GET", `${visitor}?summary=true`)).body.data).toMatchObject({
    ...{ visitor_id: visitor, events: 2, sites: found },
  })
  const erased = await node.admin("DELETE", visitor)
  expect(erased).toMatchObject({
    status: 200,
    body: { data: { deleted: 2, receipt: { events: 2, dead_letters: 0, sites: found } } },
  })
  // Who has the receipt finds it in the log, which names no visitor.
  const { text: log } = await node.get("/api/v1/analytics/audit")
  expect(log).toContain(`a visitor, receipt ${Object(erased.body.data).receipt.id}`)
  expect(log).not.toContain(visitor)
  expect((await node.admin("GET", visitor)).body.data).toEqual([])
  expect(await node.data("timeline")).toHaveLength(1)
  await eventually(async () =>
    expect(await node.data("realtime")).toMatchObject({ current_visitors: 1, unique_today: 2 }),
  )
  await command(config, ({ redis }) =>
    Effect.promise(async () => {
      const keys = await redis.keys(`${config.redisKeyPrefix}:{*}:*:visitors:${fingerprint(visitor) % 64}`)
      for (const key of keys) expect(await redis.sismember(key, fingerprint(visitor))).toBe(0)
      const active = figureKeys(config.redisKeyPrefix, partitionOf(visitor, 2), "main").active
      expect(await redis.zscore(active, String(fingerprint(visitor)))).toBeNull()
    }),
  )
})

test("the number of partitions and the time zone are changed by a rebuild, with equal figures", async () => {
  const config = await settings()
  const before = await runNode(config)
  const visitors = Array.from({ length: 20 }, () => randomUUID())
  for (const [i, visitor_id] of [...visitors, ...visitors].entries()) {
    expect(await before.post({ event_type: i % 4 === 0 ? "letter_generate" : "page_view", visitor_id })).toBe(
      201,
    )
  }
  await eventually(async () =>
    expect(await before.data("stats?period=month")).toMatchObject({ total_events: 40 }),
  )
  const figures = await before.data("stats?period=month")
  await expect(
    command(config, (stores) => rebuild(config, stores, { partitions: 5, timeZone: null }, now)),
  ).rejects.toThrow(/stop every node/)
  await before.stop()
  await command(config, (stores) => rebuild(config, stores, { partitions: 5, timeZone: "Europe/Paris" }, now))
  await expect(runNode(config)).rejects.toThrow(/PARTITIONS is 2/)
  const after = await runNode({ ...config, partitions: 5, timeZone: "Europe/Paris" })
  expect(await after.data("stats?period=month")).toEqual(figures)
  expect(await after.post({ event_type: "page_view", visitor_id: visitors[0] })).toBe(201)
  await eventually(async () =>
    expect(await after.data("stats?period=month")).toMatchObject({ total_events: 41, unique_visitors: 20 }),
  )
})

test("a rebuild and a retention by command run beside a node", async () => {
  const config = await settings()
  const node = await runNode(config)
  for (const days of [0, 1, 5, 6]) {
    expect(await node.post({ event_type: "page_view", timestamp: now() - days * DAY_MS })).toBe(201)
  }
  await eventually(async () => expect(await node.data("timeline")).toHaveLength(4))
  await command(config, (stores) => rebuild(config, stores, { partitions: null, timeZone: null }, now))
  expect(await node.data("stats")).toMatchObject({ total_events: 1, unique_visitors: 1 })
  const retained = (dryRun: boolean, yes = true) =>
    command(config, (stores) =>
      retain(config, stores, { dryRun, yes, dropTables: true, retentionDays: 3 }, now),
    )
  await expect(retained(false, false)).rejects.toThrow("2 events that are to be kept would go, of 2 days")
  expect(await node.data("timeline")).toHaveLength(4)
  const plan = await retained(true)
  expect(plan).toMatchObject({ skipped: false, rows: 2 })
  expect(describeRetention(plan)).toMatch(/2 events before .* would go\.$/)
  const success = async () =>
    Number(
      /^maicivy_retention_last_success_timestamp_seconds (\d+)/m.exec((await node.get("/metrics")).text)?.[1],
    )
  expect(await success()).toBe(0)
  expect(await retained(false)).toMatchObject({ rows: 2 })
  // The node is told by Postgres, which it asks every 10 seconds.
  await eventually(async () => expect(await success()).toBeGreaterThan(0))
  await eventually(async () => expect(await node.data("timeline")).toHaveLength(2))
})

test("a store that does not answer is named with the reason, without its password", async () => {
  const redis = await settings({ redisUrl: "redis://:secret@127.0.0.1:1" })
  const first = await runNode(redis).catch((error: unknown) => String(error))
  expect(first).toMatch(/REDIS_URL redis:\/\/127\.0\.0\.1:1 cannot be used: .*ECONNREFUSED.*\.$/)
  const database = await settings({ databaseUrl: "postgres://user:secret@127.0.0.1:1/events" })
  const second = await runNode(database).catch((error: unknown) => String(error))
  expect(second).toMatch(
    /DATABASE_URL postgres:\/\/127\.0\.0\.1:1\/events cannot be used: .*ECONNREFUSED.*\.$/,
  )
  expect(`${first} ${second}`).not.toContain("secret")
})
