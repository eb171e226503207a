import { Worker } from "node:worker_threads"
import { expect, test } from "vitest"
import { RateLimit, WINDOW_MS } from "../../../src/server/http/rateLimit.ts"
import { tableMemory } from "../../../src/server/threads/sharedTable.ts"
import { SharedWindows } from "../../../src/server/threads/sharedWindows.ts"
import type { Hammer } from "./hammer.ts"

const NOW = 1_765_000_000_000

const hammer = (workerData: Hammer): Promise<ReadonlyArray<number>> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./hammer.ts", import.meta.url), { workerData })
    worker.once("message", resolve)
    worker.once("error", reject)
  })

test("threads that take at the same moment are granted an address' budget once", async () => {
  const shared = { memory: tableMemory(), addresses: ["a", "b", "c"], limit: 30_000, tries: 25_000 }
  const granted = await Promise.all([1, 2].map((thread) => hammer({ ...shared, thread })))
  for (const at of shared.addresses.keys()) {
    const each = granted.map((of) => of[at] ?? 0)
    expect(each[0] ?? 0).toBeGreaterThan(0)
    expect(each[1] ?? 0).toBeGreaterThan(0)
    expect((each[0] ?? 0) + (each[1] ?? 0)).toBe(30_000)
  }
})

test("an address has one budget on all threads, which is whole again after a minute", () => {
  const memory = tableMemory()
  const [here, there] = [0, 1].map((thread) => new RateLimit(3, new SharedWindows(memory, thread)))
  expect(here?.take("a", 2, NOW)).toEqual({ granted: 2, remaining: 1, reset: 60 })
  expect(there?.take("a", 2, NOW + 1000)).toEqual({ granted: 1, remaining: 0, reset: 59 })
  expect(there?.take("b", 1, NOW + 1000).granted).toBe(1)
  expect(here?.take("a", 1, NOW + 2000)).toEqual({ granted: 0, remaining: 0, reset: 58 })
  expect(here?.take("a", 1, NOW + WINDOW_MS)).toEqual({ granted: 1, remaining: 2, reset: 60 })
  // A thread that was slower to take than the one that began the minute does not begin it again.
  expect(there?.take("a", 3, NOW + WINDOW_MS - 1)).toEqual({ granted: 2, remaining: 0, reset: 61 })
  // A clock that was set back begins a new minute.
  expect(there?.take("a", 3, NOW - 1000).granted).toBe(3)
})

test("a hundred thousand addresses are remembered, and many more take no more memory", () => {
  const limit = new RateLimit(1, new SharedWindows(tableMemory(), 0))
  const take = (from: number, to: number, at: (address: number) => number): number => {
    let granted = 0
    for (let address = from; address < to; address++)
      granted += limit.take(`10.${address}`, 1, at(address)).granted
    return granted
  }
  expect(take(0, 100_000, (address) => NOW + address / 10)).toBe(100_000)
  // Those that were forgotten are granted another: where the hashes, which differ from node to node, crowd too many into one place.
  expect(take(0, 100_000, () => NOW + 10_001)).toBeLessThan(500)
  expect(take(100_000, 300_000, () => NOW + 10_002)).toBe(200_000)
})

test("the lock of a thread that has ended while it had it is given back", () => {
  const memory = tableMemory()
  // As the thread has left it.
  new Int32Array(memory, 0, 1)[0] = 2
  new SharedWindows(memory, 1).ended()
  expect(new RateLimit(1, new SharedWindows(memory, 0)).take("a", 1, NOW).granted).toBe(1)
})
