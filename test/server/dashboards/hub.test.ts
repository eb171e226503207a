import * as Effect from "effect/Effect"
import { afterEach, expect, test, vi } from "vitest"
import { GROUPS } from "../../../src/live/budget.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { FigureReads, MAX_WAITING } from "../../../src/server/dashboards/figureReads.ts"
import { Hub } from "../../../src/server/dashboards/hub.ts"
import { LiveQuestions } from "../../../src/server/dashboards/liveQuestions.ts"
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
const hubOf = (
  of: Partial<ChoiceFigures>,
  isHeard: (topic: string) => boolean = () => true,
  heartbeatMs = 3_600_000,
) => {
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
    ...{ heartbeatMs, updateMs: 1, eventsPerSecond: 1, now: () => 0 },
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
  const frameOf = (topic: "week" | "month") => {
    const { code, error } = refused[topic]
    return JSON.stringify({ type: "error", code, error, site: "blog,main", topic })
  }
  const first = hub.firstFrame("blog,main", "week")
  await vi.advanceTimersByTimeAsync(1000)
  expect(await first).toBe(frameOf("week"))
  for (let i = 0; i < 8; i++) {
    hub.receive(COUNTED)
    await vi.advanceTimersByTimeAsync(1000)
  }
  expect(heard("blog,main/day")).toHaveLength(8)
  expect([heard("blog,main/week"), heard("blog,main/month")]).toEqual([[frameOf("week")], [frameOf("month")]])
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

test("a choice for which there was no place is sent its figures when there is one, and all sites always have one", async () => {
  vi.useFakeTimers()
  const gone = new Set<string>()
  const { hub, heard } = hubOf({}, (topic) => !gone.has(topic), 5000)
  const tooMany = expect.stringContaining('"code":"TOO_MANY_QUERIES"')
  for (let i = 0; i < MAX_CHOICES; i++) void hub.initialStats(`main,s${i}`)
  const all = hub.initialStats("blog,main")
  expect(await hub.initialStats("main,more")).toEqual(tooMany)
  expect(await hub.firstFrame("main,other", "day")).toEqual(tooMany)
  await vi.advanceTimersByTimeAsync(6000)
  expect(await all).toContain('"initial_stats"')
  for (const choice of ["main,more", "main,other"]) expect(heard(`${choice}/all`)).toEqual([tooMany])
  gone.add("main,s7/all")
  await vi.advanceTimersByTimeAsync(5000)
  expect(heard("main,more/all")).toEqual([tooMany, expect.stringContaining('"heartbeat"')])
  const updates = Array.from({ length: GROUPS }, () => expect.stringContaining('"stats_update"'))
  expect(heard("main,more/stats")).toEqual(updates)
  expect(heard("main,more/day")).toEqual([expect.stringContaining('"period"')])
  expect(heard("main,other/all")).toEqual([tooMany, tooMany])
  gone.add("main,other/all").add("main,s8/all")
  await vi.advanceTimersByTimeAsync(10_000)
  expect(heard("main,more/stats")).toEqual(updates)
  expect(heard("main,other/all")).toHaveLength(2)
  expect(heard("main,other/stats")).toEqual([])
  hub.stop()
})

test("what could not be read of several sites is read again after a while, whoever asks, and once for all of them", async () => {
  vi.useFakeTimers()
  const timeout = new Problem("QUERY_TIMEOUT", "The question takes too long.")
  const asked = { main: 0, "blog,main": 0, month: 0 }
  let isBusy = true
  const unlessBusy = <A, E>(read: Effect.Effect<A, E>): Effect.Effect<A, E | Problem> =>
    isBusy ? Effect.fail(timeout) : read
  const { hub, heard } = hubOf(
    {
      realtime: (choice) =>
        Effect.suspend(() => {
          asked[choice === "main" ? "main" : "blog,main"]++
          return unlessBusy(figures.realtime(choice))
        }),
      stats: (choice, period) =>
        Effect.suspend(() => {
          asked.month++
          return unlessBusy(figures.stats(choice, period))
        }),
    },
    (topic) => !topic.startsWith("blog/"),
    5000,
  )
  const told = expect.stringContaining('"code":"QUERY_TIMEOUT"')
  const ask = () => [hub.initialStats("blog,main"), hub.firstFrame("blog,main", "month")]
  const first = ask()
  await vi.advanceTimersByTimeAsync(1000)
  expect(await Promise.all([...first, ...ask()])).toEqual([told, told, told, told])
  // The heartbeats in 5 and in 10 seconds.
  await vi.advanceTimersByTimeAsync(9100)
  expect(asked).toMatchObject({ main: 2, "blog,main": 1, month: 1 })
  expect(heard("blog,main/all")).toEqual([told, told])
  isBusy = false
  await vi.advanceTimersByTimeAsync(6000)
  expect(asked).toMatchObject({ main: 3, "blog,main": 2, month: 2 })
  expect(heard("blog,main/all").slice(2)).toEqual([expect.stringContaining('"heartbeat"')])
  expect(heard("blog,main/month")).toEqual([expect.stringContaining('"period"')])
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

test("a followed question that got no answer is asked again after a while, whatever is counted until then", async () => {
  vi.useFakeTimers()
  let asked = 0
  const sent: Array<string> = []
  const questions = new LiveQuestions({
    questions: {
      answer: () =>
        Effect.suspend(() =>
          Effect.fail(new Problem(asked++ === 0 ? "QUERY_TIMEOUT" : "QUERY_ENGINE_UNAVAILABLE", "No.")),
        ),
    },
    run: Effect.runFork,
    fanOut: { listeners: () => 1, publish: (_, frame) => sent.push(frame) },
    updateMs: 1,
  })
  questions.follow({ site: "main", visible: ["main"], id: "one", query: {} })
  for (let i = 0; i < 9; i++) {
    questions.changed("main")
    await vi.advanceTimersByTimeAsync(1000)
  }
  expect([asked, sent.length]).toEqual([1, 1])
  await vi.advanceTimersByTimeAsync(2000)
  expect(asked).toBe(2)
  expect(sent).toEqual([
    expect.stringContaining('"code":"QUERY_TIMEOUT"'),
    expect.stringContaining('"code":"QUERY_ENGINE_UNAVAILABLE"'),
  ])
  questions.stop()
})
