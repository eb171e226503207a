import { randomUUID } from "node:crypto"
import pg from "pg"
import { describe, expect, test } from "vitest"
import { uniquesOf } from "../../src/aggregates/figures.ts"
import { PERIODS, periodKey } from "../../src/domain/period.ts"
import { partitionOf } from "../../src/domain/visitor.ts"
import { snapshotUniques } from "../../src/events/totals/periodUniques.ts"
import { dropFigures, rebuildPartition } from "../../src/rebuild/partition.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { figureKeys, streamKeys } from "../../src/stores/redisKeys.ts"
import { makePartitionLog } from "../../src/stream/partitionLog.ts"
import { eventually } from "../support/index.ts"
import { crashBeforeFigures, PARTITIONS, type Pipeline, pipeline, run } from "../support/pipeline.ts"

const rebuild = async (each: Pipeline, now = Date.now) => {
  const reader = await each.scoped(connectRedis(each.redisSettings, "read", "test"))
  await run(awaitReady(reader, 5000))
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const log = makePartitionLog({ ...each, partition, reader })
    await run(rebuildPartition({ ...each, partition, partitions: PARTITIONS, log, now }))
  }
}

/** Every figure of both sites. */
const allFigures = async (each: Pipeline) =>
  Promise.all(
    ["main", "blog"].flatMap((site) => [
      run(each.figures.realtime(site)).then(({ timestamp: _, ...rest }) => rest),
      ...(["day", "week", "month"] as const).flatMap((period) => [
        run(each.figures.stats(site, period)),
        run(each.figures.themes(site, 20, period)),
        run(each.figures.letters(site, period)),
      ]),
      run(each.figures.themes(site, 20, null)),
    ]),
  )

const sendMixed = async (each: Pipeline, count: number) => {
  const visitors = Array.from({ length: 40 }, () => randomUUID())
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      each.send({
        event_type: ["page_view", "cv_theme_change", "letter_generate", "button_click"][i % 4],
        event_data: { theme: `theme-${i % 7}`, letter_type: i % 3 === 0 ? "motivation" : "anti_motivation" },
        visitor_id: visitors[(i * 7) % 40],
        site: i % 5 === 0 ? "blog" : "main",
        timestamp: Date.now() - (i % 6) * 86_400_000 - (i % 2) * 100_000,
      }),
    ),
  )
}

test("rebuilt figures equal the ones that were, keys and lifetimes included", async () => {
  const each = await pipeline({ timeZone: "Asia/Kolkata" })
  const node = each.startNode()
  await sendMixed(each, 400)
  await each.drained()
  await node.stop()
  const before = await allFigures(each)
  const keys = async () => {
    const found = (await each.redis.keys(`${each.prefix}:{*}:*`)).sort()
    return Promise.all(found.map(async (key) => [key, await each.redis.type(key)]))
  }
  const keysBefore = (await keys()).filter(([key]) => !key?.endsWith(":lease"))
  await rebuild(each)
  expect(await allFigures(each)).toEqual(before)
  expect(await keys()).toEqual(keysBefore)
})

test("figures that Redis lost come back, and wrong ones are righted", async () => {
  const each = await pipeline()
  const node = each.startNode()
  await sendMixed(each, 300)
  await each.drained()
  await node.stop()
  const before = await allFigures(each)
  const day = each.calendar.dayOf(Date.now())
  await each.redis.del(figureKeys(each.prefix, 0, "main").period(day).totals)
  await each.redis.hincrby(figureKeys(each.prefix, 1, "main").period(day).totals, "events", 5)
  await each.redis.zincrby(figureKeys(each.prefix, 1, "blog").themes, 3, "made up")
  expect(await allFigures(each)).not.toEqual(before)
  await rebuild(each)
  expect(await allFigures(each)).toEqual(before)
})

test("events that arrive during a rebuild are counted once", async () => {
  const each = await pipeline()
  each.startNode()
  await sendMixed(each, 200)
  const sending = (async () => {
    for (let i = 0; i < 30; i++) await sendMixed(each, 20)
  })()
  await rebuild(each)
  await rebuild(each)
  await sending
  await each.drained()
  const [today] = await Promise.all([allFigures(each)])
  await rebuild(each)
  await each.drained()
  expect(await allFigures(each)).toEqual(today)
  expect(await each.rowCount()).toBe(800)
})

test("visitors of a period whose raw events are partly gone keep their number", async () => {
  const each = await pipeline()
  const node = each.startNode()
  await sendMixed(each, 200)
  await each.drained()
  await node.stop()
  const before = await run(each.figures.stats("main", "month"))
  const gone = each.calendar.startOf(each.calendar.dayOf(Date.now() - 2 * 86_400_000))
  await run(each.postgres.query("test", "DELETE FROM event_chunks WHERE last_at < $1", [new Date(gone)]))
  await run(each.postgres.query("test", "UPDATE deployment SET raw_since = $1", [new Date(gone)]))
  await rebuild(each)
  expect(await run(each.figures.stats("main", "month"))).toEqual(before)
})

describe("visitors of a period whose raw events are partly gone", () => {
  const newVisitors = (count: number) => Array.from({ length: count }, () => randomUUID())

  const visit = async (each: Pipeline, visitors: ReadonlyArray<string>) => {
    const node = each.startNode()
    await Promise.all(visitors.map((visitor_id) => each.send({ event_type: "page_view", visitor_id })))
    await each.drained()
    await node.stop()
  }

  const uniques = (each: Pipeline) =>
    Promise.all(
      PERIODS.map(async (period) => (await run(each.figures.stats("main", period))).unique_visitors),
    )

  /** What retention does as today begins to expire: it keeps the numbers, and raw events up to now go. */
  const expireEvents = async (each: Pipeline) => {
    const now = Date.now()
    await run(
      snapshotUniques(each.postgres, {
        days: [each.calendar.dayOf(now)],
        cutoff: now,
        calendar: each.calendar,
        partitions: PARTITIONS,
        uniquesOf: (site, partition, key) => uniquesOf(each, site, partition, key),
      }),
    )
    await run(each.postgres.query("test", "DELETE FROM event_chunks"))
    await run(each.postgres.query("test", "UPDATE deployment SET raw_since = $1", [new Date(now)]))
  }

  const keysOf = async (each: Pipeline) => {
    // Current visitors are kept for some minutes from when they were written last.
    const keys = (await each.redis.keys(`${each.prefix}:{*}:main:*`))
      .filter((key) => !key.endsWith(":active"))
      .sort()
    return Promise.all(keys.map(async (key) => ({ key, expires: await each.redis.expiretime(key) })))
  }

  test("are joined by those whose events are left, after Redis lost everything", async () => {
    const each = await pipeline()
    const [gone, left, late] = [newVisitors(30), newVisitors(40), newVisitors(20)]
    await visit(each, gone)
    await expireEvents(each)
    await visit(each, left)
    for (let partition = 0; partition < PARTITIONS; partition++) await run(dropFigures(each, partition))
    await visit(each, late)
    await rebuild(each)
    // Those who are gone are a number, and nobody can tell whether those who are left were among them.
    const inPartition = (visitors: ReadonlyArray<string>, partition: number) =>
      visitors.filter((visitor) => partitionOf(visitor, PARTITIONS) === partition).length
    let expected = 0
    for (let partition = 0; partition < PARTITIONS; partition++)
      expected += Math.max(inPartition(gone, partition), inPartition([...left, ...late], partition))
    expect(await uniques(each)).toEqual([expected, expected, expected])
    await visit(each, [...left, ...late])
    expect(await uniques(each)).toEqual([expected, expected, expected])
    await visit(each, newVisitors(5))
    expect(await uniques(each)).toEqual([expected + 5, expected + 5, expected + 5])
    expect(
      (await keysOf(each)).filter(({ key, expires }) => expires < 0 && !key.endsWith("main:themes")),
    ).toEqual([])
  })

  test.each(["exact", "closed", "estimated"])(
    "keep their number in %s figures, rebuilt twice",
    async (kind) => {
      const each = await pipeline()
      const [gone, left] = [newVisitors(30), newVisitors(40)]
      await visit(each, gone)
      await expireEvents(each)
      await visit(each, left)
      const day = each.calendar.dayOf(Date.now())
      const sets = await each.redis.keys(`${each.prefix}:{*}:main:*:visitors:*`)
      // What time and numbers do: exact visitors go one set after the other once their period is closed, or all when
      // they are too many.
      const lost = kind === "closed" ? sets.length / 2 : kind === "estimated" ? sets.length : 0
      if (lost > 0) await each.redis.del(...sets.slice(0, lost))
      const now = () => Date.now() + (kind === "closed" ? 40 * 86_400_000 : 0)
      for (let partition = 0; partition < PARTITIONS && kind === "estimated"; partition++)
        for (const period of PERIODS)
          await each.redis.hset(
            figureKeys(each.prefix, partition, "main").period(periodKey(period, day)).totals,
            { estimated: 1 },
          )
      const before = await keysOf(each)
      await rebuild(each, now)
      expect(await uniques(each)).toEqual([70, 70, 70])
      if (kind !== "closed") expect(await keysOf(each)).toEqual(before)
      await rebuild(each, now)
      expect(await uniques(each)).toEqual([70, 70, 70])
      if (kind === "closed") return
      await visit(each, [...gone, ...left])
      expect(await uniques(each)).toEqual([70, 70, 70])
    },
  )
})

test("visitors whose owner died before their figures are in a period whose raw events are partly gone", async () => {
  const each = await pipeline()
  const node = each.startNode()
  const today = each.calendar.startOf(each.calendar.dayOf(Date.now()))
  const send = (timestamp: number) =>
    each.send({ event_type: "page_view", visitor_id: randomUUID(), timestamp })
  for (let i = 0; i < 30; i++) await send(today - 1000 - i)
  await each.drained()
  await node.stop()
  await run(each.postgres.query("test", "DELETE FROM event_chunks WHERE first_at < $1", [new Date(today)]))
  await run(each.postgres.query("test", "UPDATE deployment SET raw_since = $1", [new Date(today)]))
  for (let i = 0; i < 20; i++) await send(Date.now())
  for (let partition = 0; partition < PARTITIONS; partition++) await crashBeforeFigures(each, partition, 1000)
  await rebuild(each)
  const uniques = async (period: "week" | "month") =>
    (await run(each.figures.stats("main", period))).unique_visitors
  // A week or month that began today has nobody of yesterday.
  const expected = (period: "week" | "month") =>
    periodKey(period, each.calendar.dayOf(today)) === periodKey(period, each.calendar.dayOf(today - 1))
      ? 50
      : 20
  expect([await uniques("week"), await uniques("month")]).toEqual([expected("week"), expected("month")])
  expect(await each.backlog()).toBe(0)
})

test("a partition with thousands of current visitors and themes is rebuilt", async () => {
  const each = await pipeline()
  const node = each.startNode()
  await Promise.all(
    Array.from({ length: 10_000 }, (_, i) =>
      each.send({
        event_type: "cv_theme_change",
        event_data: { theme: `theme ${i}` },
        visitor_id: randomUUID(),
        timestamp: Date.now() - (i % 3 === 0 ? (i % 6) * 86_400_000 : 0),
      }),
    ),
  )
  await each.drained()
  await node.stop()
  const before = await run(each.figures.stats("main", "month"))
  const current = (await run(each.figures.realtime("main"))).current_visitors
  expect(current).toBeGreaterThan(6000)
  await rebuild(each)
  expect(await run(each.figures.stats("main", "month"))).toEqual(before)
  expect((await run(each.figures.realtime("main"))).current_visitors).toBe(current)
})

test("a rebuild keeps its partition though a renewal of its lease fails", async () => {
  const each = await pipeline()
  const { lease } = streamKeys(each.prefix, 0)
  let renewals = 0
  // The second renewal does not reach Redis.
  const redis = new Proxy(each.redis, {
    get: (target, name) => {
      if (name !== "set") return Reflect.get(target, name)
      return (...args: Parameters<typeof target.set>) =>
        ++renewals === 2 ? Promise.reject(new Error("Connection is closed.")) : target.set(...args)
    },
  })
  const holder = new pg.Client(each.databaseUrl)
  await holder.connect()
  // Nothing is read from Postgres meanwhile, so the rebuild takes as long as this.
  await holder.query("BEGIN; LOCK TABLE analytics_events IN ACCESS EXCLUSIVE MODE")
  const reader = await each.scoped(connectRedis(each.redisSettings, "read", "test"))
  const log = makePartitionLog({ ...each, partition: 0, reader })
  const rebuilt = run(
    rebuildPartition({
      ...each,
      redis,
      log,
      partition: 0,
      partitions: PARTITIONS,
      leaseMs: 600,
      now: Date.now,
    }),
  )
  await eventually(async () => {
    expect(renewals).toBeGreaterThan(4)
    expect(await each.redis.get(lease)).toMatch(/^rebuild/)
  })
  await holder.query("COMMIT")
  await holder.end()
  await rebuilt
})
