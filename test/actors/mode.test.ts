/** An actor's modes: which may follow which, and the way that a real one takes through them. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { ActorMode, type Mode } from "../../src/actors/mode.ts"
import { runPartitionActor } from "../../src/actors/partitionActor.ts"
import { LiveFeed } from "../../src/live/feed.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { Fenced, StoreError } from "../../src/stores/errors.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { makePartitionLog } from "../../src/stream/partitionLog.ts"
import { now } from "../support/clock.ts"
import { type Deployment, freshDeployment } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { PATIENCE_MS } from "../support/eventually.ts"
import { eventually, privateRedis } from "../support/index.ts"

/** The shortest way to each mode from the beginning. */
const WAYS: { readonly [M in Mode]: ReadonlyArray<Mode> } = {
  takeover: [],
  reading: ["reading"],
  committing: ["reading", "committing"],
  careful: ["reading", "careful"],
  isolating: ["reading", "committing", "isolating"],
  waiting: ["reading", "committing", "waiting"],
  fenced: ["fenced"],
  ended: ["ended"],
}

const actorIn = async (mode: Mode): Promise<ActorMode> => {
  const actor = new ActorMode(0, new Metrics("test_"))
  for (const step of WAYS[mode]) await run(actor.enter(step))
  return actor
}

describe("a mode", () => {
  test.each([
    ["takeover", "committing"],
    ["takeover", "waiting"],
    ["reading", "takeover"],
    ["reading", "isolating"],
    ["committing", "careful"],
    ["careful", "committing"],
    ["isolating", "reading"],
    ["waiting", "reading"],
    ["fenced", "reading"],
    ["fenced", "ended"],
    ["ended", "takeover"],
  ] as const)("%s is not followed by %s", async (from, to) => {
    const actor = await actorIn(from)
    expect(() => Effect.runSync(actor.enter(to))).toThrow(`an actor does not go from ${from} to ${to}`)
    expect(actor.now).toBe(from)
  })

  test("is one that every running actor may end from, fenced or not", async () => {
    for (const from of ["takeover", "reading", "committing", "careful", "isolating", "waiting"] as const)
      for (const end of ["fenced", "ended"] as const) {
        const actor = await actorIn(from)
        await run(actor.enter(end))
        expect(actor.now).toBe(end)
      }
  })
})

/** Lines that an effect logs, at whatever level. */
const lines = () => {
  const said: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    said.push(`${logLevel}: ${String(message)}`)
  })
  const hear = <A, E>(effect: Effect.Effect<A, E>) =>
    effect.pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "All"),
    )
  return { said, hear }
}

const storeError = (code: string, unavailable = true) =>
  new StoreError({ store: "postgres", operation: "write_batch", unavailable, code, message: "Postgres" })

test("the log has one line for a wait, another when the store has another trouble, and none for an ordinary batch", async () => {
  const { said, hear } = lines()
  const actor = new ActorMode(0, new Metrics("test_"))
  const enter = (mode: Mode, error?: StoreError) => run(hear(actor.enter(mode, error)))
  for (const mode of ["reading", "committing", "reading", "committing"] as const) await enter(mode)
  expect(said).toEqual([])
  for (let i = 0; i < 3; i++) await enter("waiting", storeError("57P01"))
  for (let i = 0; i < 3; i++) await enter("waiting", storeError("42P01", false))
  await enter("committing")
  expect(said).toEqual([
    "Warn: store unavailable: the partition waits",
    "Error: store refuses: the partition waits",
    "Info: store available again: the partition continues",
  ])
})

/** Runs the actor of partition 0, and tells the modes that it has entered while it ran. */
const watchActor = async (deployment: Deployment) => {
  const entered = vi.spyOn(deployment.metrics.actorModes, "inc")
  const reader = await deployment.scoped(connectRedis(deployment.redisSettings, "read", "test"))
  await run(awaitReady(reader, PATIENCE_MS))
  await deployment.redis.set(streamKeys(deployment.prefix, 0).lease, "token")
  const live = new LiveFeed({ prefix: deployment.prefix, eventsPerSecond: 50, now })
  const log = makePartitionLog({ ...deployment, partition: 0, reader })
  const actor = runPartitionActor({ ...deployment, partition: 0, log, live }, "token")
  const fiber = Effect.runFork(Effect.provide(actor, Logger.layer([])))
  onTestFinished(() => run(Effect.asVoid(Fiber.interrupt(fiber))))
  return { modes: () => entered.mock.calls.map(([labels]) => Reflect.get(Object(labels), "mode")), fiber }
}

const payload = (createdAt = now()) =>
  `[1,"main",null,"${randomUUID()}","page_view",${createdAt},null,null,null]`

/** Beyond what Postgres has a date for. */
const POISON = payload(Number.MAX_SAFE_INTEGER)

const running = async ({ metrics }: Deployment) =>
  (await metrics.actorModes.get()).values.reduce((sum, { value }) => sum + value, 0)

describe("an actor goes", () => {
  test("through isolating when a batch has an event that Postgres cannot take, and back", async () => {
    const deployment = await freshDeployment()
    for (const text of [payload(), POISON, payload()]) await deployment.appendPayload(0, text)
    const { modes } = await watchActor(deployment)
    await eventually(() =>
      expect(modes()).toEqual(["takeover", "reading", "committing", "isolating", "committing", "reading"]),
    )
    expect(await deployment.rowCount()).toBe(2)
  })

  test("through waiting while Postgres refuses everything, and back to the batch", async () => {
    const deployment = await freshDeployment()
    await deployment.appendPayload(0, payload())
    await run(deployment.postgres.query("test", "ALTER TABLE daily_totals RENAME TO gone"))
    const { modes } = await watchActor(deployment)
    const retries = async () => {
      const { values } = await deployment.metrics.batchRetries.get()
      return values.find(({ labels }) => labels.store === "postgres")?.value
    }
    await eventually(async () => expect(await retries()).toBeGreaterThan(2))
    expect(modes()).toEqual(["takeover", "reading", "committing", "waiting"])
    await run(deployment.postgres.query("test", "ALTER TABLE gone RENAME TO daily_totals"))
    await eventually(() => expect(modes().slice(4)).toEqual(["committing", "reading"]))
    expect(await deployment.rowCount()).toBe(1)
  })

  test("carefully when several owners have met the first event, and looks there for the one to blame", async () => {
    const deployment = await freshDeployment()
    for (const text of [payload(), POISON]) await deployment.appendPayload(0, text)
    const { events, state } = streamKeys(deployment.prefix, 0)
    const [first] = await deployment.redis.xrange(events, "-", "+", "COUNT", 1)
    await deployment.redis.hset(state, { head: first?.[0] ?? "", deliveries: 5 })
    const { modes } = await watchActor(deployment)
    await eventually(() =>
      expect(modes()).toEqual(["takeover", "reading", "careful", "isolating", "careful", "reading"]),
    )
    expect(await deployment.rowCount()).toBe(1)
  })

  test("from a read that waited for Redis to its end, fenced", async () => {
    const store = await privateRedis()
    const deployment = await freshDeployment({ redisUrl: store.url })
    const { modes, fiber } = await watchActor(deployment)
    await eventually(() => expect(modes()).toEqual(["takeover", "reading"]))
    expect(await running(deployment)).toBe(1)
    await deployment.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    const exit = await Effect.runPromise(Fiber.await(fiber))
    expect(exit).toMatchObject(Exit.fail(expect.any(Fenced)))
    expect(modes()).toEqual(["takeover", "reading", "waiting"])
    expect(await running(deployment)).toBe(0)
  })
})
