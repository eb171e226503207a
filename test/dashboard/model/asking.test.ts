import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { Asking } from "../../../src/dashboard/model/asking.ts"
import type { Question, QuestionAnswer } from "../../../src/dashboard/model/questions.ts"
import { ReadFailure } from "../../../src/dashboard/model/readFailure.ts"
import type { Loaded } from "../../../src/dashboard/model/state.ts"

const question = (name: string): Question => ({ metrics: [name], date_range: "day" })
const ANSWER: QuestionAnswer = {
  results: [],
  meta: { total_rows: 0 },
  query: { time_zone: "UTC", dimensions: [] },
}

/** What was asked and not yet answered, by metric. */
const asked = new Map<string, PromiseWithResolvers<QuestionAnswer>>()
const order: Array<string> = []
/** What the server was told to follow, and no longer to. */
const told: Array<readonly [begun: ReadonlyArray<string>, ended: ReadonlyArray<string>]> = []

const start = () =>
  new Asking({
    ask: ({ metrics: [name = ""] }, signal) => {
      const answer = Promise.withResolvers<QuestionAnswer>()
      asked.set(name, answer)
      order.push(name)
      signal.addEventListener("abort", () => answer.reject(signal.reason))
      return answer.promise
    },
    follow: (begun, ended) => told.push([[...begun.keys()], ended]),
  })

const answerAll = async () => {
  for (let i = 0; i < 20; i++) {
    for (const [name, { resolve }] of asked) {
      asked.delete(name)
      resolve(ANSWER)
    }
    await vi.advanceTimersByTimeAsync(0)
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  asked.clear()
  order.length = 0
  told.length = 0
})
afterEach(() => {
  vi.useRealTimers()
})

describe("questions of a page", () => {
  test("are asked in its order, a few at a time", async () => {
    const asking = start()
    for (const name of ["a", "b", "c", "d", "e", "f"]) asking.watch(question(name), true, () => {})
    await vi.advanceTimersByTimeAsync(0)
    expect(order).toEqual(["a", "b", "c", "d"])
    asked.get("b")?.resolve(ANSWER)
    await vi.advanceTimersByTimeAsync(0)
    expect(order).toEqual(["a", "b", "c", "d", "e"])
    asking.close()
  })

  test("wait for the one that is to be first, whenever it came", async () => {
    const asking = start()
    for (const name of ["a", "b", "c", "d", "e"]) asking.watch(question(name), true, () => {})
    asking.watch(question("first"), true, () => {}, true)
    await vi.advanceTimersByTimeAsync(0)
    expect(order).toEqual(["first"])
    asked.get("first")?.resolve(ANSWER)
    await vi.advanceTimersByTimeAsync(0)
    expect(order).toEqual(["first", "a", "b", "c", "d"])
    asking.close()
  })

  test("are followed if they go on, all of them in one message", async () => {
    const asking = start()
    const heard: Array<Loaded<QuestionAnswer>> = []
    asking.watch(question("live"), true, (loaded) => heard.push(loaded))
    asking.watch(question("past"), false, () => {})
    asking.watch(question("other"), true, () => {})
    await answerAll()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(told).toEqual([[["q1", "q3"], []]])
    expect(order).toEqual(["live", "past", "other"])
    const pushed = { ...ANSWER, meta: { total_rows: 7 } }
    asking.answered("q1", pushed)
    asking.answered("q9", pushed)
    expect(heard.at(-1)).toEqual({ data: pushed, loading: false, failure: null })
    asking.close()
  })

  test("have the newer of two answers: one that is pushed ends the read under way", async () => {
    const asking = start()
    const heard: Array<Loaded<QuestionAnswer>> = []
    const { again } = asking.watch(question("live"), true, (loaded) => heard.push(loaded))
    await vi.advanceTimersByTimeAsync(0)
    const pushed = { ...ANSWER, meta: { total_rows: 7 } }
    asking.answered("q1", pushed)
    await answerAll()
    expect(heard.at(-1)?.data).toBe(pushed)
    again()
    await answerAll()
    expect(heard.at(-1)?.data).toBe(ANSWER)
    asking.close()
  })

  test("are followed again on a new connection, and asked again after a loss", async () => {
    const asking = start()
    asking.watch(question("live"), true, () => {})
    asking.watch(question("past"), false, () => {})
    await answerAll()
    await vi.advanceTimersByTimeAsync(1000)
    asking.connected(true)
    await answerAll()
    await vi.advanceTimersByTimeAsync(1000)
    expect(told).toEqual([
      [["q1"], []],
      [["q1"], []],
    ])
    expect(order).toEqual(["live", "past", "live", "past"])
    asking.close()
  })

  test("keep the last answer after a failure, and are asked again after too many", async () => {
    const asking = start()
    const heard: Array<Loaded<QuestionAnswer>> = []
    const { again } = asking.watch(question("a"), true, (loaded) => heard.push(loaded))
    await answerAll()
    again()
    await vi.advanceTimersByTimeAsync(0)
    asked.get("a")?.reject(new ReadFailure("QUERY_TIMEOUT", "too long"))
    await vi.advanceTimersByTimeAsync(0)
    expect(heard.at(-1)).toEqual({ data: ANSWER, loading: false, failure: "QUERY_TIMEOUT" })
    again()
    await vi.advanceTimersByTimeAsync(0)
    asked.get("a")?.reject(new ReadFailure("TOO_MANY_QUERIES", "too many"))
    await vi.advanceTimersByTimeAsync(1000)
    expect(order).toHaveLength(4)
    await answerAll()
    expect(heard.at(-1)).toEqual({ data: ANSWER, loading: false, failure: null })
    asking.close()
  })

  test("say what has kept the server from pushing an answer, and are asked again in a while", async () => {
    const asking = start()
    const heard: Array<Loaded<QuestionAnswer>> = []
    asking.watch(question("a"), true, (loaded) => heard.push(loaded))
    asking.failed("q1", "QUERY_TIMEOUT")
    await answerAll()
    expect(heard.at(-1)).toEqual({ data: ANSWER, loading: false, failure: null })
    asking.failed("q1", "QUERY_TIMEOUT")
    asking.failed("q9", "QUERY_TIMEOUT")
    expect(heard.at(-1)).toEqual({ data: ANSWER, loading: false, failure: "QUERY_TIMEOUT" })
    await vi.advanceTimersByTimeAsync(30_000)
    await answerAll()
    expect(order).toEqual(["a", "a"])
    expect(heard.at(-1)?.failure).toBeNull()
    asking.close()
  })

  test("end with their panel", async () => {
    const asking = start()
    const heard: Array<unknown> = []
    const early = asking.watch(question("a"), true, (loaded) => heard.push(loaded))
    const late = asking.watch(question("b"), true, () => {})
    await vi.advanceTimersByTimeAsync(0)
    early.end()
    await answerAll()
    await vi.advanceTimersByTimeAsync(1000)
    late.end()
    await vi.advanceTimersByTimeAsync(1000)
    // The server was never told of the first one.
    expect(told).toEqual([
      [["q2"], []],
      [[], ["q2"]],
    ])
    expect(heard).toHaveLength(1)
    asking.close()
  })
})
