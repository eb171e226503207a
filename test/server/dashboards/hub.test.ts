import { Effect } from "effect"
import { afterEach, expect, test, vi } from "vitest"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { FigureReads, MAX_WAITING } from "../../../src/server/dashboards/figureReads.ts"
import { Hub } from "../../../src/server/dashboards/hub.ts"
import { RETRY_MS } from "../../../src/server/dashboards/retry.ts"
import { Throttle } from "../../../src/server/dashboards/throttle.ts"
import { MAX_CHOICES } from "../../../src/server/dashboards/watchedChoices.ts"
import { Problem } from "../../../src/server/http/problem.ts"
import type { ChoiceFigures } from "../../../src/server/services/choiceFigures.ts"
import { SiteDirectory } from "../../../src/sites/index.ts"
import { World } from "../../support/server.ts"

afterEach(() => {
  vi.useRealTimers()
})

const EXPIRED = new Problem("INVALID_QUERY", "Some of this period have expired.")
const { figures } = new World().services

/** A hub of which everybody hears everything, until it is told otherwise, and what they have heard. */
const hubOf = (of: Partial<ChoiceFigures>, isHeard: (topic: string) => boolean = () => true) => {
  const frames: Array<{ readonly topic: string; readonly frame: string }> = []
  const hub = new Hub({
    sites: new SiteDirectory(["main", "blog"]),
    figures: { ...figures, ...of },
    questions: { answer: () => Effect.fail(EXPIRED) },
    run: Effect.runFork,
    fanOut: {
      listeners: (topic) => (isHeard(topic) ? 1 : 0),
      publish: (topic, frame) => frames.push({ topic, frame }),
    },
    pseudonyms: { of: (visitor) => visitor },
    metrics: new Metrics("test_"),
    ...{ heartbeatMs: 3_600_000, updateMs: 1, eventsPerSecond: 1, now: () => 0 },
  })
  const heard = (topic: string) => frames.filter((each) => each.topic === topic).map(({ frame }) => frame)
  return { hub, heard }
}

const COUNTED = { events: [], omitted: {}, counted: { main: 1 } }

test("what is refused of several sites is said as it is, and not asked for again and again", async () => {
  vi.useFakeTimers()
  const asked: Array<string> = []
  const refused = { week: EXPIRED, month: new Problem("QUERY_TIMEOUT", "The question takes too long.") }
  const { hub, heard } = hubOf({
    stats: (choice, period) =>
      choice === "main" || period === "day"
        ? figures.stats(choice, period)
        : Effect.suspend(() => {
            asked.push(period)
            return Effect.fail(refused[period])
          }),
  })
  const askedOf = () => (["week", "month"] as const).map((of) => asked.filter((each) => each === of).length)
  const frameOf = ({ code, error }: Problem) => JSON.stringify({ type: "error", code, error })
  const first = hub.firstFrame("blog,main", "week")
  await vi.advanceTimersByTimeAsync(1000)
  expect(await first).toBe(frameOf(EXPIRED))
  for (let i = 0; i < 8; i++) {
    hub.receive(COUNTED)
    await vi.advanceTimersByTimeAsync(1000)
  }
  expect(heard("blog,main/day")).toHaveLength(8)
  expect([heard("blog,main/week"), heard("blog,main/month")]).toEqual([
    [frameOf(EXPIRED)],
    [frameOf(refused.month)],
  ])
  expect(askedOf()).toEqual([2, 1])
  // Both for the events since then.
  await vi.advanceTimersByTimeAsync(RETRY_MS)
  expect(askedOf()).toEqual([3, 2])
  // Without any, what may pass.
  await vi.advanceTimersByTimeAsync(RETRY_MS)
  expect(askedOf()).toEqual([3, 3])
  hub.stop()
})

test("a job that rests runs when it has rested, however often it is triggered", async () => {
  vi.useFakeTimers()
  let runs = 0
  const throttle = new Throttle(1000, async () => {
    runs++
  })
  throttle.trigger()
  throttle.rest(RETRY_MS)
  for (let i = 0; i < 3; i++) throttle.trigger()
  await vi.advanceTimersByTimeAsync(RETRY_MS - 1)
  expect(runs).toBe(1)
  throttle.trigger()
  await vi.advanceTimersByTimeAsync(1)
  expect(runs).toBe(2)
  throttle.trigger()
  await vi.advanceTimersByTimeAsync(1000)
  expect(runs).toBe(3)
})

test("a node watches so many choices of sites, and others when those are not watched any more", async () => {
  const gone = new Set<string>()
  const { hub } = hubOf({}, (topic) => !gone.has(topic))
  const read = Array.from({ length: MAX_CHOICES }, (_, i) => hub.initialStats(`main,s${i}`))
  const tooMany = expect.stringContaining('"code":"TOO_MANY_QUERIES"')
  expect(await hub.initialStats("main,more")).toEqual(tooMany)
  expect(await hub.firstFrame("main,more", "day")).toEqual(tooMany)
  for (const frame of await Promise.all(read)) expect(frame).toContain('"initial_stats"')
  expect(await hub.initialStats("main,s0")).toContain('"initial_stats"')
  expect(await hub.initialStats("main")).toContain('"initial_stats"')
  gone.add("main,s7/all")
  expect(await hub.initialStats("main,more")).toContain('"initial_stats"')
  hub.stop()
})

test("figures of several sites wait for each other, and so many of them", async () => {
  const reads = new FigureReads({ ...figures, realtime: () => Effect.never }, Effect.runFork)
  const settled: Array<string | Problem> = []
  for (let i = 0; i <= MAX_WAITING; i++)
    void reads.json(`main,s${i}`, "realtime").then((read) => settled.push(read))
  expect(await reads.json("main,more", "realtime")).toMatchObject({ code: "TOO_MANY_QUERIES" })
  expect(await reads.json("main", "letters")).toContain('"period":"day"')
  expect(settled).toEqual([])
})
