import { randomUUID } from "node:crypto"
import { describe, expect, test } from "vitest"
import { applyTotals } from "../../src/aggregates/apply.ts"
import { aggregate } from "../../src/domain/aggregation.ts"
import { NO_FACTS } from "../../src/domain/dimensions.ts"
import type { StreamEvent } from "../../src/domain/event.ts"
import { monthOf, weekOf } from "../../src/domain/period.ts"
import { DAY_MS, DAY_SECONDS } from "../../src/domain/time.ts"
import { figureKeys, streamKeys } from "../../src/stores/redisKeys.ts"
import { now } from "../support/clock.ts"
import { type Deployment, freshDeployment } from "../support/deployment.ts"
import { run } from "../support/effects.ts"

const event = (given: Partial<StreamEvent> = {}): StreamEvent => ({
  site: "main",
  id: null,
  visitorId: randomUUID(),
  type: "page_view",
  createdAt: now(),
  pageUrl: "/",
  referrer: null,
  data: null,
  facts: NO_FACTS,
  ...given,
})

/** Adds events to the figures as the owner of partition 0 would. */
const add = async (deployment: Deployment, events: ReadonlyArray<StreamEvent>) => {
  await deployment.redis.hset(streamKeys(deployment.prefix, 0).state, "epoch", 1)
  return applyTotals(deployment.redis, {
    prefix: deployment.prefix,
    partition: 0,
    epoch: 1,
    move: null,
    totals: aggregate(events, deployment.calendar),
    calendar: deployment.calendar,
    now: now(),
  })
}

describe("unique visitors", () => {
  test("are exact, whatever the order and the repetitions", async () => {
    const deployment = await freshDeployment()
    const visitors = Array.from({ length: 3000 }, () => randomUUID())
    for (let i = 0; i < 6; i++) {
      await add(
        deployment,
        visitors.slice(i * 400, i * 400 + 1000).map((visitorId) => event({ visitorId })),
      )
    }
    for (const period of ["day", "week", "month"] as const) {
      expect(await run(deployment.figures.stats("main", period))).toMatchObject({
        unique_visitors: 3000,
        total_events: 6000,
      })
    }
  })

  test("leave nothing behind that does not expire, whatever order they came in", async () => {
    const deployment = await freshDeployment()
    const visitors = Array.from({ length: 300 }, () => randomUUID())
    const yesterday = now() - DAY_MS
    for (const createdAt of [now(), yesterday, now()])
      for (let i = 0; i < 3; i++)
        await add(
          deployment,
          visitors
            .slice(i * 80, i * 80 + 100)
            .map((visitorId) =>
              event({ visitorId, createdAt, type: "cv_theme_change", data: { theme: `theme ${i}` } }),
            ),
        )
    const forEver = ["state", "main:themes"].map((name) => `${deployment.prefix}:{0}:${name}`)
    const keys = (await deployment.redis.keys(`${deployment.prefix}:{0}:*`)).filter(
      (key) => !forEver.includes(key),
    )
    expect(keys.filter((key) => key.includes(":visitors:")).length).toBeGreaterThan(100)
    for (const key of keys)
      expect([key, await deployment.redis.ttl(key)]).toEqual([key, expect.toSatisfy((s) => s > 0)])
  })

  test("beyond 16,384 in a partition and period are estimated to within 2 %, in little memory", async () => {
    const deployment = await freshDeployment()
    const visitors = Array.from({ length: 40_000 }, () => randomUUID())
    for (let i = 0; i < visitors.length; i += 1000) {
      await add(
        deployment,
        visitors.slice(i, i + 1000).map((visitorId) => event({ visitorId })),
      )
    }
    const { unique_visitors } = await run(deployment.figures.stats("main", "day"))
    expect(Math.abs(unique_visitors - 40_000)).toBeLessThan(800)
    const exact = await deployment.redis.keys(`${deployment.prefix}:{0}:main:*:visitors:*`)
    expect(exact).toEqual([])
    await add(
      deployment,
      visitors.slice(0, 1000).map((visitorId) => event({ visitorId })),
    )
    expect((await run(deployment.figures.stats("main", "day"))).unique_visitors).toBe(unique_visitors)
  })

  test("that come after their period has closed are added to its count", async () => {
    const deployment = await freshDeployment()
    const createdAt = now() - 30 * DAY_MS
    const visitors = [randomUUID(), randomUUID(), randomUUID()]
    const day = deployment.calendar.dayOf(createdAt)
    const keys = figureKeys(deployment.prefix, 0, "main").period(day)
    await add(
      deployment,
      visitors.map((visitorId) => event({ visitorId, createdAt })),
    )
    await add(deployment, [event({ visitorId: visitors[0] ?? "", createdAt })])
    expect(await deployment.redis.hget(keys.totals, "unique_visitors")).toBe("3")
    expect(await deployment.redis.keys(`${keys.visitors}*`)).toEqual([])
  })
})

test("day figures live 90 days after their day, week and month figures 365 days after theirs", async () => {
  const deployment = await freshDeployment({ timeZone: "Europe/Paris" })
  const at = now()
  await add(deployment, [
    event({ createdAt: at }),
    event({ type: "cv_theme_change", data: { theme: "dark" } }),
  ])
  const day = deployment.calendar.dayOf(at)
  const keys = figureKeys(deployment.prefix, 0, "main")
  const dayEnd = deployment.calendar.startOf(nextDay(day)) / 1000
  for (const key of [keys.period(day).totals, keys.period(day).hll, keys.period(day).themes]) {
    expect(await deployment.redis.expiretime(key)).toBe(dayEnd + 90 * DAY_SECONDS)
  }
  for (const period of [weekOf(day), monthOf(day)]) {
    const expiry = await deployment.redis.expiretime(keys.period(period).totals)
    expect(expiry).toBeGreaterThanOrEqual(dayEnd + 365 * DAY_SECONDS)
    expect(expiry).toBeLessThanOrEqual(dayEnd + 396 * DAY_SECONDS)
  }
  expect(await deployment.redis.expiretime(keys.themes)).toBe(-1)
})

const nextDay = (day: string) => new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10)

test("current visitors expire one by one, five minutes after each was seen", async () => {
  const deployment = await freshDeployment()
  const at = now()
  await add(deployment, [
    event({ createdAt: at - 301_000 }),
    event({ createdAt: at - 200_000 }),
    event({ createdAt: at + 250_000 }),
  ])
  expect((await run(deployment.figures.realtime("main"))).current_visitors).toBe(2)
  const active = figureKeys(deployment.prefix, 0, "main").active
  const latest = (await deployment.redis.zrange(active, 0, "-1", "WITHSCORES")).at(-1)
  expect(Number(latest)).toBeLessThanOrEqual(now())
})

test("themes come most viewed first, ties by name, with their share of all views", async () => {
  const deployment = await freshDeployment()
  const views = (theme: unknown, times: number) =>
    Array.from({ length: times }, () => event({ type: "cv_theme_change", data: { theme } }))
  await add(deployment, [
    ...views("b", 2),
    ...views("a", 2),
    ...views("dark", 3),
    ...views("z", 1),
    ...views(7, 5),
    ...views("", 1),
  ])
  expect(await run(deployment.figures.themes("main", 3, "week"))).toEqual([
    { theme: "dark", views: 3, percentage: 37.5 },
    { theme: "a", views: 2, percentage: 25 },
    { theme: "b", views: 2, percentage: 25 },
  ])
  expect(await run(deployment.figures.themes("main", 20, null))).toHaveLength(4)
})

test("more than 10,000 themes in a partition are summed under one name", async () => {
  const deployment = await freshDeployment()
  for (let i = 0; i < 10; i++) {
    await add(
      deployment,
      Array.from({ length: 1001 }, (_, n) =>
        event({ type: "cv_theme_change", data: { theme: `t${i}-${n}` } }),
      ),
    )
  }
  await add(deployment, [event({ type: "cv_theme_change", data: { theme: "one too many" } })])
  await add(deployment, [event({ type: "cv_theme_change", data: { theme: "t0-0" } })])
  const themes = figureKeys(deployment.prefix, 0, "main").themes
  expect(await deployment.redis.zscore(themes, "one too many")).toBeNull()
  // Of the last of the ten batches, what the 10,000 had no room for.
  expect(await deployment.redis.zscore(themes, "(other)")).toBe("11")
  expect(await deployment.redis.zcard(themes)).toBe(10_001)
  expect(await deployment.redis.zscore(themes, "t0-0")).toBe("2")
})

test("a batch that was applied is not applied again, and one that skips another is refused", async () => {
  const deployment = await freshDeployment()
  const keys = streamKeys(deployment.prefix, 0)
  await deployment.redis.xgroup("CREATE", keys.events, "actors", "0", "MKSTREAM")
  await deployment.redis.hset(keys.state, "epoch", 1, "applied", "0-0")
  const apply = (from: string, to: string, epoch = 1) =>
    applyTotals(deployment.redis, {
      prefix: deployment.prefix,
      partition: 0,
      epoch,
      move: { from, to },
      totals: aggregate([event()], deployment.calendar),
      calendar: deployment.calendar,
      now: now(),
    })
  expect(await apply("0-0", "5-0")).toBe(1)
  expect(await apply("0-0", "5-0")).toBeNull()
  await expect(apply("4-0", "9-0")).rejects.toThrow(/FENCED/)
  await expect(apply("5-0", "9-0", 2)).rejects.toThrow(/FENCED/)
  expect((await run(deployment.figures.stats("main", "day"))).total_events).toBe(1)
})
