import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { expect, test } from "vitest"
import { ReadCache } from "../../../src/server/services/readCache.ts"
import { StoreError } from "../../../src/stores/errors.ts"
import { eventually } from "../../support/index.ts"

const unavailable = new StoreError({
  store: "redis",
  operation: "read",
  unavailable: true,
  code: "AWAY",
  message: "unavailable",
})

/** A cache whose clock stands still, and a store whose answers are its reads' numbers. */
const cacheOf = (options: { readonly keepMs: number; readonly maxWeight?: number }) => {
  const clock = { now: 1000 }
  const store = { reads: 0, failing: false }
  const cache = new ReadCache<string>({
    run: Effect.runFork,
    keepMs: () => options.keepMs,
    maxEntries: 3,
    weigh: (value) => value.length,
    maxWeight: options.maxWeight ?? 1000,
    now: () => clock.now,
  })
  const load = () =>
    Effect.andThen(
      Effect.promise(() => Promise.resolve()),
      Effect.suspend(() =>
        store.failing ? Effect.fail(unavailable) : Effect.succeed(`answer ${++store.reads}`),
      ),
    )
  const ask = (key = "key") =>
    new Promise<string>((resolve) =>
      cache.get(key, load, (exit) => resolve(Exit.isSuccess(exit) ? exit.value : "failed")),
    )
  return { clock, store, cache, ask }
}

test("an answer is shared while it is kept, renewed in the second half of that time, and gone at its end", async () => {
  const { clock, store, ask } = cacheOf({ keepMs: 100 })
  expect(await Promise.all([ask(), ask()])).toEqual(["answer 1", "answer 1"])
  clock.now += 49
  expect(await ask()).toBe("answer 1")
  expect(store.reads).toBe(1)
  clock.now += 1
  expect(await ask()).toBe("answer 1")
  await eventually(() => expect(store.reads).toBe(2))
  await eventually(async () => expect(await ask()).toBe("answer 2"))
  clock.now += 100
  expect(await ask()).toBe("answer 3")
})

test("a renewal that fails leaves the old answer until its end, and is tried again", async () => {
  const { clock, store, ask } = cacheOf({ keepMs: 100 })
  await ask()
  store.failing = true
  clock.now += 60
  expect(await ask()).toBe("answer 1")
  expect(await ask()).toBe("answer 1")
  store.failing = false
  await eventually(async () => expect(await ask()).toBe("answer 2"))
  store.failing = true
  clock.now += 100
  expect(await ask()).toBe("failed")
})

test("what is kept has a bound; the oldest goes first, and an answer beyond it is not kept", async () => {
  const { store, ask } = cacheOf({ keepMs: 100, maxWeight: 20 })
  await ask("a")
  await ask("b")
  await ask("c")
  expect(store.reads).toBe(3)
  expect(await ask("b")).toBe("answer 2")
  expect(await ask("a")).toBe("answer 4")
  const { store: small, ask: askSmall } = cacheOf({ keepMs: 100, maxWeight: 3 })
  await askSmall()
  await askSmall()
  expect(small.reads).toBe(2)
})

test("what was forgotten is asked again", async () => {
  const { cache, ask } = cacheOf({ keepMs: 100 })
  await ask()
  cache.forget("key")
  expect(await ask()).toBe("answer 2")
})
