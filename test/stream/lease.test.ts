import * as Effect from "effect/Effect"
import { expect, test } from "vitest"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import {
  giveLeaseBack,
  isBeingRebuilt,
  REBUILD_TOKEN,
  renewLease,
  seizeLease,
  takeLease,
} from "../../src/stream/lease.ts"
import { freshDeployment } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { eventually } from "../support/index.ts"

const leases = async () => {
  const deployment = await freshDeployment()
  const lease = { ...deployment, partition: 0, leaseMs: 30_000 }
  const holder = () => deployment.redis.get(streamKeys(deployment.prefix, 0).lease)
  /** How often the lease was asked for. */
  const calls = async () => {
    const { values } = await deployment.metrics.redisDuration.get()
    const counts = values.filter(
      ({ metricName, labels }) => metricName?.endsWith("_count") && labels.operation === "lease",
    )
    return counts.reduce((sum, { value }) => sum + value, 0)
  }
  return { lease, holder, calls }
}

test("a lease is its holder's until it is given back", async () => {
  const { lease, holder } = await leases()
  expect(await run(takeLease({ ...lease, token: "one" }))).toBe(true)
  expect(await run(takeLease({ ...lease, token: "one" }))).toBe(true)
  expect(await run(takeLease({ ...lease, token: "two" }))).toBe(false)
  await run(giveLeaseBack({ ...lease, token: "two" }))
  expect(await holder()).toBe("one")
  await run(giveLeaseBack({ ...lease, token: "one" }))
  expect(await run(takeLease({ ...lease, token: "two" }))).toBe(true)
})

test("a lease that is gone is taken, but not renewed: what was under it may be gone as well", async () => {
  const { lease } = await leases()
  expect(await run(renewLease({ ...lease, token: "one" }))).toBe(false)
  expect(await run(takeLease({ ...lease, token: "one" }))).toBe(true)
  expect(await run(renewLease({ ...lease, token: "one" }))).toBe(true)
  expect(await run(renewLease({ ...lease, token: "two" }))).toBe(false)
})

test("a lease is seized from its holder, and is given back at the end", async () => {
  const { lease, holder } = await leases()
  await run(takeLease({ ...lease, token: "actor" }))
  const token = `${REBUILD_TOKEN}one`
  const during = Effect.gen(function* () {
    yield* seizeLease({ ...lease, token })
    expect(yield* Effect.promise(holder)).toBe(token)
    expect(yield* isBeingRebuilt(lease)).toBe(true)
    expect(yield* takeLease({ ...lease, token: "actor" })).toBe(false)
  })
  await run(Effect.scoped(during))
  expect(await holder()).toBeNull()
  expect(await run(isBeingRebuilt(lease))).toBe(false)
})

test("a lease that was seized in turn is neither renewed nor given back by the one that lost it", async () => {
  const { lease, holder, calls } = await leases()
  const during = Effect.gen(function* () {
    yield* seizeLease({ ...lease, token: "first", leaseMs: 30 })
    yield* seizeLease({ ...lease, token: "second" })
    // Renewals of the first, that is: the second's are 10 s apart.
    const before = yield* Effect.promise(calls)
    yield* Effect.promise(() => eventually(async () => expect(await calls()).toBeGreaterThan(before + 3)))
    expect(yield* Effect.promise(holder)).toBe("second")
  })
  await run(Effect.scoped(during))
  expect(await holder()).toBeNull()
})

test("a lease that another holds stays that one's when the one that lost it ends", async () => {
  const { lease, holder } = await leases()
  const during = Effect.gen(function* () {
    yield* seizeLease({ ...lease, token: "first" })
    yield* giveLeaseBack({ ...lease, token: "first" })
    yield* takeLease({ ...lease, token: "second" })
  })
  await run(Effect.scoped(during))
  expect(await holder()).toBe("second")
})
