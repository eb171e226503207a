import { expect, onTestFinished, test, vi } from "vitest"
import { Rereads } from "../../../src/dashboard/model/rereads.ts"

/** Reads of one part, with the clock in the test's hand: `reads` are the milliseconds at which they began. */
const started = () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })
  const begin = performance.now()
  const state = { wanted: true, loading: false }
  const reads: Array<number> = []
  const rereads = new Rereads<"clicks">({
    isWanted: () => state.wanted,
    isLoading: () => state.loading,
    load: (part) => {
      rereads.began(part)
      reads.push(performance.now() - begin)
    },
  })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  rereads.began("clicks")
  return { rereads, reads, state }
}

test("changes are read every two seconds at most, and once more when answers have settled", () => {
  const { rereads, reads } = started()
  for (let i = 0; i < 30; i++) {
    rereads.changed("clicks")
    vi.advanceTimersByTime(100)
  }
  vi.advanceTimersByTime(60_000)
  // The last change came at 2.9 s.
  expect(reads).toEqual([2000, 4000, 8900])
})

test("what frames bring is not read, but puts the last read off", () => {
  const { rereads, reads } = started()
  rereads.brought("clicks")
  vi.advanceTimersByTime(60_000)
  expect(reads).toEqual([])
  rereads.changed("clicks")
  vi.advanceTimersByTime(5000)
  rereads.brought("clicks")
  vi.advanceTimersByTime(60_000)
  expect(reads).toEqual([60_250, 71_000])
})

test("a read under way is waited for, and what is no longer wanted is not read", () => {
  const { rereads, reads, state } = started()
  state.loading = true
  rereads.changed("clicks")
  vi.advanceTimersByTime(30_000)
  expect(reads).toEqual([])
  state.loading = false
  vi.advanceTimersByTime(60_000)
  expect(reads).toEqual([30_250])
  rereads.changed("clicks")
  state.wanted = false
  vi.advanceTimersByTime(60_000)
  expect(reads).toHaveLength(1)
})

test("nothing is read after the stop", () => {
  const { rereads, reads } = started()
  rereads.changed("clicks")
  rereads.stop()
  vi.advanceTimersByTime(60_000)
  expect(reads).toEqual([])
})
