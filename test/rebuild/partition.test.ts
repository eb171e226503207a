import { randomUUID } from "node:crypto"
import type { Command } from "ioredis"
import pg from "pg"
import { describe, expect, test } from "vitest"
import { uniquesOf } from "../../src/aggregates/figures.ts"
import { type EventFacts, NO_FACTS } from "../../src/domain/dimensions.ts"
import { PERIODS, periodKey } from "../../src/domain/period.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { partitionOf } from "../../src/domain/visitor.ts"
import { snapshotUniques } from "../../src/events/totals/periodUniques.ts"
import { dropFigures, rebuildPartition } from "../../src/rebuild/partition.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { figureKeys, streamKeys } from "../../src/stores/redisKeys.ts"
import { makePartitionLog } from "../../src/stream/partitionLog.ts"
import { now } from "../support/clock.ts"
import { crashBeforeFigures, type Deployment, freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { PATIENCE_MS } from "../support/eventually.ts"
import { eventually } from "../support/index.ts"

const rebuild = async (deployment: Deployment, clock = now) => {
  const reader = await deployment.scoped(connectRedis(deployment.redisSettings, "read", "test"))
  await run(awaitReady(reader, PATIENCE_MS))
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const log = makePartitionLog({ ...deployment, partition, reader })
    await run(rebuildPartition({ ...deployment, partition, partitions: PARTITIONS, log, now: clock }))
  }
}

/** Every figure of both sites. */
const allFigures = async (deployment: Deployment) =>
  Promise.all(
    ["main", "blog"].flatMap((site) => [
      run(deployment.figures.realtime(site)).then(({ timestamp: _, ...rest }) => rest),
      ...(["day", "week", "month"] as const).flatMap((period) => [
        run(deployment.figures.stats(site, period)),
        run(deployment.figures.themes(site, 20, period)),
        run(deployment.figures.letters(site, period)),
      ]),
      run(deployment.figures.themes(site, 20, null)),
    ]),
  )

const BOT: EventFacts = { origin: null, client: '["Chrome"]', label: null, bot: true }

/** Events of many kinds, a tenth of them bots'. */
const sendMixed = async (deployment: Deployment, count: number) => {
  const visitors = Array.from({ length: 40 }, () => randomUUID())
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      deployment.send(
        {
          event_type: ["page_view", "cv_theme_change", "letter_generate", "button_click"][i % 4],
          event_data: {
            theme: `theme-${i % 7}`,
            letter_type: i % 3 === 0 ? "motivation" : "anti_motivation",
          },
          visitor_id: visitors[(i * 7) % 40],
          site: i % 5 === 0 ? "blog" : "main",
          timestamp: now() - (i % 6) * DAY_MS - (i % 2) * 100_000,
        },
        i % 10 === 3 ? BOT : NO_FACTS,
      ),
    ),
  )
}

test("rebuilt figures equal the ones that were, keys and lifetimes included", async () => {
  const deployment = await freshDeployment({ timeZone: "Asia/Kolkata" })
  const node = deployment.startNode()
  await sendMixed(deployment, 400)
  await deployment.drained()
  await node.stop()
  const before = await allFigures(deployment)
  const keys = async () => {
    const found = (await deployment.redis.keys(`${deployment.prefix}:{*}:*`)).sort()
    return Promise.all(found.map(async (key) => [key, await deployment.redis.type(key)]))
  }
  const keysBefore = (await keys()).filter(([key]) => !key?.endsWith(":lease"))
  await rebuild(deployment)
  expect(await allFigures(deployment)).toEqual(before)
  expect(await keys()).toEqual(keysBefore)
})

test("figures that Redis lost come back, and wrong ones are righted", async () => {
  const deployment = await freshDeployment()
  const node = deployment.startNode()
  await sendMixed(deployment, 300)
  await deployment.drained()
  await node.stop()
  const before = await allFigures(deployment)
  const day = deployment.calendar.dayOf(now())
  await deployment.redis.del(figureKeys(deployment.prefix, 0, "main").period(day).totals)
  await deployment.redis.hincrby(figureKeys(deployment.prefix, 1, "main").period(day).totals, "events", 5)
  await deployment.redis.zincrby(figureKeys(deployment.prefix, 1, "blog").themes, 3, "made up")
  expect(await allFigures(deployment)).not.toEqual(before)
  await rebuild(deployment)
  expect(await allFigures(deployment)).toEqual(before)
})

test("events that arrive during a rebuild are counted once", async () => {
  const deployment = await freshDeployment()
  deployment.startNode()
  await sendMixed(deployment, 200)
  const sending = (async () => {
    for (let i = 0; i < 30; i++) await sendMixed(deployment, 20)
  })()
  await rebuild(deployment)
  await rebuild(deployment)
  await sending
  await deployment.drained()
  const [today] = await Promise.all([allFigures(deployment)])
  await rebuild(deployment)
  await deployment.drained()
  expect(await allFigures(deployment)).toEqual(today)
  expect(await deployment.rowCount()).toBe(800)
})

test("visitors of a period whose raw events are partly gone keep their number", async () => {
  const deployment = await freshDeployment()
  const node = deployment.startNode()
  await sendMixed(deployment, 200)
  await deployment.drained()
  await node.stop()
  const before = await run(deployment.figures.stats("main", "month"))
  const gone = deployment.calendar.startOf(deployment.calendar.dayOf(now() - 2 * DAY_MS))
  await run(
    deployment.postgres.query("test", "DELETE FROM event_chunks WHERE last_at < $1", [new Date(gone)]),
  )
  await run(deployment.postgres.query("test", "UPDATE deployment SET raw_since = $1", [new Date(gone)]))
  await rebuild(deployment)
  expect(await run(deployment.figures.stats("main", "month"))).toEqual(before)
})

test("a site that keeps its events for fewer days keeps its numbers, and another one's are counted again", async () => {
  const deployment = await freshDeployment()
  const { postgres, calendar, figures } = deployment
  const node = deployment.startNode()
  await sendMixed(deployment, 300)
  await deployment.drained()
  await node.stop()
  const numbers = () =>
    Promise.all(
      ["main", "blog"].flatMap((site) =>
        PERIODS.flatMap((period) => [
          run(figures.stats(site, period)),
          run(figures.themes(site, 20, period)),
          run(figures.letters(site, period)),
        ]),
      ),
    )
  const before = await numbers()
  // What retention does as today begins to expire of the site alone.
  const at = now()
  const [blog] = await run(postgres.query<{ id: number }>("test", "SELECT id FROM sites WHERE slug = 'blog'"))
  const siteId = blog?.id ?? 0
  await run(
    snapshotUniques(postgres, {
      ...{ days: [calendar.dayOf(at)], cutoff: at, calendar, partitions: PARTITIONS, siteId },
      uniquesOf: uniquesOf(deployment),
    }),
  )
  await run(postgres.query("test", "DELETE FROM event_chunks WHERE site_id = $1", [siteId]))
  await run(postgres.query("test", "UPDATE sites SET raw_since = $2 WHERE id = $1", [siteId, new Date(at)]))
  await rebuild(deployment)
  expect(await numbers()).toEqual(before)
  // Redis has lost everything: of those who are gone a number is left.
  for (let partition = 0; partition < PARTITIONS; partition++) await run(dropFigures(deployment, partition))
  await rebuild(deployment)
  expect(await numbers()).toEqual(before)
})

describe("visitors of a period whose raw events are partly gone", () => {
  const newVisitors = (count: number) => Array.from({ length: count }, () => randomUUID())

  const visit = async (deployment: Deployment, visitors: ReadonlyArray<string>) => {
    const node = deployment.startNode()
    await Promise.all(visitors.map((visitor_id) => deployment.send({ event_type: "page_view", visitor_id })))
    await deployment.drained()
    await node.stop()
  }

  const uniques = (deployment: Deployment) =>
    Promise.all(
      PERIODS.map(async (period) => (await run(deployment.figures.stats("main", period))).unique_visitors),
    )

  /** What retention does as today begins to expire: it keeps the numbers, and raw events up to now go. */
  const expireEvents = async (deployment: Deployment) => {
    const at = now()
    await run(
      snapshotUniques(deployment.postgres, {
        days: [deployment.calendar.dayOf(at)],
        cutoff: at,
        calendar: deployment.calendar,
        partitions: PARTITIONS,
        uniquesOf: uniquesOf(deployment),
      }),
    )
    await run(deployment.postgres.query("test", "DELETE FROM event_chunks"))
    await run(deployment.postgres.query("test", "UPDATE deployment SET raw_since = $1", [new Date(at)]))
  }

  const keysOf = async (deployment: Deployment) => {
    // Current visitors are kept for some minutes from when they were written last.
    const keys = (await deployment.redis.keys(`${deployment.prefix}:{*}:main:*`))
      .filter((key) => !key.endsWith(":active"))
      .sort()
    return Promise.all(keys.map(async (key) => ({ key, expires: await deployment.redis.expiretime(key) })))
  }

  test("are joined by those whose events are left, after Redis lost everything", async () => {
    const deployment = await freshDeployment()
    const [gone, left, late] = [newVisitors(30), newVisitors(40), newVisitors(20)]
    await visit(deployment, gone)
    await expireEvents(deployment)
    await visit(deployment, left)
    for (let partition = 0; partition < PARTITIONS; partition++) await run(dropFigures(deployment, partition))
    await visit(deployment, late)
    await rebuild(deployment)
    // Those who are gone are a number, and nobody can tell whether those who are left were among them.
    const inPartition = (visitors: ReadonlyArray<string>, partition: number) =>
      visitors.filter((visitor) => partitionOf(visitor, PARTITIONS) === partition).length
    let expected = 0
    for (let partition = 0; partition < PARTITIONS; partition++)
      expected += Math.max(inPartition(gone, partition), inPartition([...left, ...late], partition))
    expect(await uniques(deployment)).toEqual([expected, expected, expected])
    await visit(deployment, [...left, ...late])
    expect(await uniques(deployment)).toEqual([expected, expected, expected])
    await visit(deployment, newVisitors(5))
    expect(await uniques(deployment)).toEqual([expected + 5, expected + 5, expected + 5])
    expect(
      (await keysOf(deployment)).filter(({ key, expires }) => expires < 0 && !key.endsWith("main:themes")),
    ).toEqual([])
  })

  test.each(["exact", "closed", "estimated"])(
    "keep their number in %s figures, rebuilt twice",
    async (kind) => {
      const deployment = await freshDeployment()
      const [gone, left] = [newVisitors(30), newVisitors(40)]
      await visit(deployment, gone)
      await expireEvents(deployment)
      await visit(deployment, left)
      const day = deployment.calendar.dayOf(now())
      const sets = await deployment.redis.keys(`${deployment.prefix}:{*}:main:*:visitors:*`)
      // What time and numbers do: exact visitors go one set after the other once their period is closed, or all when
      // they are too many.
      const lost = kind === "closed" ? sets.length / 2 : kind === "estimated" ? sets.length : 0
      if (lost > 0) await deployment.redis.del(...sets.slice(0, lost))
      const clock = () => now() + (kind === "closed" ? 40 * DAY_MS : 0)
      for (let partition = 0; partition < PARTITIONS && kind === "estimated"; partition++)
        for (const period of PERIODS)
          await deployment.redis.hset(
            figureKeys(deployment.prefix, partition, "main").period(periodKey(period, day)).totals,
            { estimated: 1 },
          )
      const before = await keysOf(deployment)
      await rebuild(deployment, clock)
      expect(await uniques(deployment)).toEqual([70, 70, 70])
      if (kind !== "closed") expect(await keysOf(deployment)).toEqual(before)
      await rebuild(deployment, clock)
      expect(await uniques(deployment)).toEqual([70, 70, 70])
      if (kind === "closed") return
      await visit(deployment, [...gone, ...left])
      expect(await uniques(deployment)).toEqual([70, 70, 70])
    },
  )
})

test("visitors whose owner died before their figures are in a period whose raw events are partly gone", async () => {
  const deployment = await freshDeployment()
  const node = deployment.startNode()
  const today = deployment.calendar.startOf(deployment.calendar.dayOf(now()))
  const send = (timestamp: number) =>
    deployment.send({ event_type: "page_view", visitor_id: randomUUID(), timestamp })
  for (let i = 0; i < 30; i++) await send(today - 1000 - i)
  await deployment.drained()
  await node.stop()
  await run(
    deployment.postgres.query("test", "DELETE FROM event_chunks WHERE first_at < $1", [new Date(today)]),
  )
  await run(deployment.postgres.query("test", "UPDATE deployment SET raw_since = $1", [new Date(today)]))
  for (let i = 0; i < 20; i++) await send(now())
  for (let partition = 0; partition < PARTITIONS; partition++)
    await crashBeforeFigures(deployment, partition, 1000)
  await rebuild(deployment)
  const uniques = async (period: "week" | "month") =>
    (await run(deployment.figures.stats("main", period))).unique_visitors
  // A week or month that began today has nobody of yesterday.
  const expected = (period: "week" | "month") =>
    periodKey(period, deployment.calendar.dayOf(today)) ===
    periodKey(period, deployment.calendar.dayOf(today - 1))
      ? 50
      : 20
  expect([await uniques("week"), await uniques("month")]).toEqual([expected("week"), expected("month")])
  expect(await deployment.backlog()).toBe(0)
})

test("a partition with thousands of current visitors and themes is rebuilt", async () => {
  const deployment = await freshDeployment()
  const node = deployment.startNode()
  await Promise.all(
    Array.from({ length: 10_000 }, (_, i) =>
      deployment.send({
        event_type: "cv_theme_change",
        event_data: { theme: `theme ${i}` },
        visitor_id: randomUUID(),
        timestamp: now() - (i % 3 === 0 ? (i % 6) * DAY_MS : 0),
      }),
    ),
  )
  await deployment.drained()
  await node.stop()
  const before = await run(deployment.figures.stats("main", "month"))
  const current = (await run(deployment.figures.realtime("main"))).current_visitors
  expect(current).toBeGreaterThan(6000)
  await rebuild(deployment)
  expect(await run(deployment.figures.stats("main", "month"))).toEqual(before)
  expect((await run(deployment.figures.realtime("main"))).current_visitors).toBe(current)
})

test("a rebuild keeps its partition though a renewal of its lease fails", async () => {
  const deployment = await freshDeployment()
  const { lease } = streamKeys(deployment.prefix, 0)
  let renewals = 0
  // The second renewal does not reach Redis.
  const redis = new Proxy(deployment.redis, {
    get: (target, name) => {
      if (name !== "sendCommand") return Reflect.get(target, name)
      return (command: Command) => {
        const isRenewal = command.getKeys().join() === lease
        if (isRenewal && ++renewals === 2) return Promise.reject(new Error("Connection is closed."))
        return target.sendCommand(command)
      }
    },
  })
  const holder = new pg.Client(deployment.databaseUrl)
  await holder.connect()
  // Nothing is read from Postgres meanwhile, so the rebuild takes as long as this.
  await holder.query("BEGIN; LOCK TABLE analytics_events IN ACCESS EXCLUSIVE MODE")
  const reader = await deployment.scoped(connectRedis(deployment.redisSettings, "read", "test"))
  const log = makePartitionLog({ ...deployment, partition: 0, reader })
  const rebuilt = run(
    rebuildPartition({
      ...deployment,
      redis,
      log,
      partition: 0,
      partitions: PARTITIONS,
      leaseMs: 600,
    }),
  )
  await eventually(async () => {
    expect(renewals).toBeGreaterThan(4)
    expect(await deployment.redis.get(lease)).toMatch(/^rebuild/)
  })
  await holder.query("COMMIT")
  await holder.end()
  await rebuilt
})
