/** The ownership protocol, step by step: two actors, each of which may pause at any step for any time. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import fc from "fast-check"
import { expect, test } from "vitest"
import { applyTotals } from "../../src/aggregates/apply.ts"
import { aggregate } from "../../src/domain/aggregation.ts"
import { decodePayload } from "../../src/domain/payload.ts"
import { type BatchEntry, type BatchWriter, makeBatchWriter } from "../../src/events/write/batchWriter.ts"
import { figureKeys, streamKeys } from "../../src/stores/redisKeys.ts"
import { payloadIn } from "../../src/stream/fields.ts"
import { makePartitionLog, type NewOwner } from "../../src/stream/partitionLog.ts"
import { now } from "../support/clock.ts"
import { type Deployment, freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { SITES } from "../support/events.ts"

const entriesAfter = async (deployment: Deployment, partition: number, after: string, most: number) => {
  const { events } = streamKeys(deployment.prefix, partition)
  const found = await deployment.redis.xrange(events, after === "0-0" ? "-" : `(${after}`, "+", "COUNT", most)
  return found.map(([streamId, fields]): BatchEntry => {
    const event = decodePayload(payloadIn(fields))
    if (typeof event === "string") throw new Error(event)
    return { streamId, event }
  })
}

test("an entry whose owners were killed after its commit, however often, gets its figures and is no dead letter", async () => {
  const deployment = await freshDeployment()
  for (let i = 0; i < 10; i++) await deployment.send({ event_type: "page_view", visitor_id: randomUUID() })
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { epoch } = await run(deployment.writer.acquireEpoch(partition))
    const entries = await entriesAfter(deployment, partition, "0-0", 100)
    await run(deployment.writer.write({ partition, epoch, entries, calendar: deployment.calendar }))
    const first = entries[0]?.streamId ?? ""
    // What remains of several owners that were killed while processing the first entry alone.
    const { state } = streamKeys(deployment.prefix, partition)
    await deployment.redis.hset(state, {
      head: first,
      deliveries: 6,
      tried_from: first,
      tried_to: first,
      attempts: 3,
    })
  }
  deployment.startNode()
  await deployment.drained()
  expect(await deployment.rowCount()).toBe(10)
  expect(await run(deployment.figures.stats("main", "day"))).toMatchObject({
    total_events: 10,
    unique_visitors: 10,
  })
})

type Step = "own" | "take over" | "read" | "write" | "apply"

/** An actor as a list of steps: what it remembers between them is all that a crash can take. */
class SteppedActor {
  readonly #deployment: Deployment
  #writer: BatchWriter
  #epoch = 0
  #position = ""
  #batch: ReadonlyArray<BatchEntry> = []
  #counted: ReadonlyArray<BatchEntry> = []
  #next: Step = "own"
  #acquired: NewOwner = { epoch: 0, lastStreamId: "0-0", deployment: "" }
  #moved: string | null = null

  constructor(deployment: Deployment) {
    this.#deployment = deployment
    this.#writer = makeBatchWriter(deployment.postgres, SITES)
  }

  /** Forgets everything, like a process that died. */
  crash(): void {
    this.#writer = makeBatchWriter(this.#deployment.postgres, SITES)
    this.#next = "own"
  }

  /** One step. `again` repeats its store call, as after a lost reply. A refusal ends the ownership. */
  async step(again: boolean): Promise<void> {
    for (let call = 0; call < (again ? 2 : 1); call++) {
      const before = this.#next
      const exit = await Effect.runPromiseExit(Effect.tryPromise(() => this.#do(before)))
      if (exit._tag === "Failure") {
        this.crash()
        return
      }
      if (call === 1 || !again) this.#next = exit.value
    }
    // A repeated apply needs the old position, so the position moves once the step is over.
    if (this.#moved !== null) this.#position = this.#moved
    this.#moved = null
  }

  async #do(step: Step): Promise<Step> {
    const deployment = this.#deployment
    const { prefix, redis, metrics, calendar } = deployment
    switch (step) {
      case "own": {
        const acquired = await run(this.#writer.acquireEpoch(0))
        this.#epoch = acquired.epoch
        this.#acquired = acquired
        return "take over"
      }
      case "take over": {
        // The lease only saves work, and safety must not depend on it: each takes it as if the other's had expired.
        const token = `token-${this.#epoch}`
        await redis.set(streamKeys(prefix, 0).lease, token)
        const log = makePartitionLog({ prefix, partition: 0, redis, reader: redis, replicas: 0, metrics })
        this.#position = (await run(log.takeOver(token, this.#acquired))).applied
        return "read"
      }
      case "read": {
        this.#batch = await entriesAfter(deployment, 0, this.#position, 7)
        return this.#batch.length > 0 ? "write" : "read"
      }
      case "write": {
        const batch = { partition: 0, epoch: this.#epoch, entries: this.#batch, calendar }
        this.#counted = (await run(this.#writer.write(batch))).counted
        return "apply"
      }
      case "apply": {
        const to = this.#batch.at(-1)?.streamId ?? ""
        const totals = aggregate(
          this.#counted.map(({ event }) => event),
          calendar,
        )
        const move = { from: this.#position, to }
        const request = { prefix, partition: 0, epoch: this.#epoch, move, totals, calendar, now: now() }
        await applyTotals(redis, request)
        this.#moved = to
        return "read"
      }
    }
  }
}

test("two actors, stepped, stopped and crashed in any order, count each event once", async () => {
  const action = fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        kind: fc.constant("step" as const),
        actor: fc.nat({ max: 1 }),
        again: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const), actor: fc.nat({ max: 1 }) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("send" as const),
        keys: fc.array(fc.option(fc.nat({ max: 15 })), { minLength: 1, maxLength: 6 }),
      }),
    },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 60 }), async (actions) => {
      const deployment = await freshDeployment()
      const actors = [new SteppedActor(deployment), new SteppedActor(deployment)] as const
      const ids = Array.from({ length: 16 }, () => randomUUID())
      const brought = new Set<number>()
      let expected = 0
      for (const done of actions) {
        if (done.kind === "step") await actors[done.actor === 0 ? 0 : 1].step(done.again)
        else if (done.kind === "crash") actors[done.actor === 0 ? 0 : 1].crash()
        else {
          for (const key of done.keys) {
            const id = key === null ? "null" : `"${ids[key]}"`
            await deployment.appendPayload(
              0,
              `[1,"main",${id},"${randomUUID()}","page_view",${now()},null,null,null]`,
            )
            if (key === null || !brought.has(key)) expected++
            if (key !== null) brought.add(key)
          }
        }
      }
      for (let i = 0; i < 400 && (await deployment.backlog()) > 0; i++) await actors[0].step(false)
      expect(await deployment.backlog()).toBe(0)
      expect(await deployment.rowCount()).toBe(expected)
      const day = deployment.calendar.dayOf(now())
      const { totals } = figureKeys(deployment.prefix, 0, "main").period(day)
      expect(Number((await deployment.redis.hget(totals, "events")) ?? 0)).toBe(expected)
    }),
    { numRuns: 25, endOnFailure: true },
  )
})
