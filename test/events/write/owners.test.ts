import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { makeBatchWriter } from "../../../src/events/write/batchWriter.ts"
import { Fenced } from "../../../src/stores/errors.ts"
import { run } from "../../support/effects.ts"
import {
  connect,
  countOf,
  dailyTotals,
  entriesFrom,
  event,
  freshEvents,
  idsOf,
  SITES,
  write,
} from "../../support/events.ts"
import { eventually } from "../../support/eventually.ts"

describe("an entry redelivered after a crash between Postgres and Redis", () => {
  test("counts once, and is written once", async () => {
    const { postgres, writer } = await freshEvents()
    const id = randomUUID()
    const entries = entriesFrom(10, [event(), event({ id }), event({ id }), event()])
    const { epoch } = await run(writer.acquireEpoch(0))
    const first = await run(write(writer, epoch, entries))

    const next = await run(writer.acquireEpoch(0))
    expect(next.lastStreamId).toBe("13-0")
    const again = await run(write(writer, next.epoch, entries))
    expect(again).toEqual({
      counted: first.counted,
      totals: first.totals,
      duplicates: 0,
      redelivered: 4,
      erased: 0,
    })
    expect(await countOf(postgres, "analytics_events")).toBe(3)
  })

  test("comes together with new ones, and only these are written", async () => {
    const { postgres, writer } = await freshEvents()
    const id = randomUUID()
    const { epoch } = await run(writer.acquireEpoch(0))
    await run(write(writer, epoch, entriesFrom(10, [event({ id }), event()])))
    const both = await run(
      write(writer, epoch, entriesFrom(10, [event({ id }), event(), event({ id }), event()])),
    )
    expect(idsOf(both.counted)).toEqual(["10-0", "11-0", "13-0"])
    expect(both).toMatchObject({ duplicates: 1, redelivered: 2 })
    expect(await countOf(postgres, "analytics_events")).toBe(3)
    expect((await run(writer.acquireEpoch(0))).lastStreamId).toBe("13-0")
  })

  test.each([true, false])(
    "is known even where this process thinks that Postgres does not have it; with ids: %s",
    async (ids) => {
      const { postgres, url, writer } = await freshEvents()
      const { epoch } = await run(writer.acquireEpoch(0))
      const made = () => event({ id: ids ? randomUUID() : null })
      const written = entriesFrom(10, [made(), made()])
      // As after a commit whose reply was lost: what the other connections have written, these have not heard of.
      await run(write(makeBatchWriter(await connect(url), SITES), epoch, written))
      const both = await run(write(writer, epoch, [...written, ...entriesFrom(12, [made()])]))
      expect(idsOf(both.counted)).toEqual(["10-0", "11-0", "12-0"])
      expect(both.redelivered).toBe(2)
      const next = await run(write(writer, epoch, entriesFrom(13, [made(), made()])))
      expect(next).toMatchObject({ duplicates: 0, redelivered: 0 })
      expect(await countOf(postgres, "analytics_events")).toBe(5)
      expect(await dailyTotals(postgres)).toContain("main 2025-12-08 events: 5")
    },
  )

  test("does not count when another partition was the first to bring its id", async () => {
    const { writer } = await freshEvents()
    const id = randomUUID()
    const zero = await run(writer.acquireEpoch(0))
    const one = await run(writer.acquireEpoch(1))
    await run(write(writer, zero.epoch, entriesFrom(10, [event({ id })])))
    const other = entriesFrom(10, [event({ id })])
    for (const redelivered of [0, 1])
      expect(await run(write(writer, one.epoch, other, { partition: 1 }))).toMatchObject({
        counted: [],
        redelivered,
      })
  })

  test("orders ids by number, not by text", async () => {
    const { postgres, writer } = await freshEvents()
    const { epoch } = await run(writer.acquireEpoch(0))
    const entries = ["9-2", "9-10", "10-0"].map((streamId) => ({ streamId, event: event() }))
    await run(write(writer, epoch, entries.slice(0, 2)))
    expect(await run(write(writer, epoch, entries))).toMatchObject({ redelivered: 2 })
    expect(await countOf(postgres, "analytics_events")).toBe(3)
  })
})

describe("a fenced actor", () => {
  test("changes nothing", async () => {
    const { postgres, writer } = await freshEvents()
    const old = await run(writer.acquireEpoch(0))
    const next = await run(writer.acquireEpoch(0))
    expect(next.epoch).toBe(old.epoch + 1)
    const id = randomUUID()
    const error = await run(Effect.flip(write(writer, old.epoch, entriesFrom(10, [event({ id })]))))
    expect(error).toBeInstanceOf(Fenced)
    for (const table of ["analytics_events", "idempotency_keys", "daily_totals"])
      expect(await countOf(postgres, table)).toBe(0)
    expect((await run(writer.acquireEpoch(0))).lastStreamId).toBe("0-0")
  })

  test("does not disturb another partition", async () => {
    const { writer } = await freshEvents()
    const zero = await run(writer.acquireEpoch(0))
    await run(writer.acquireEpoch(1))
    expect((await run(write(writer, zero.epoch, entriesFrom(1, [event()])))).counted).toHaveLength(1)
  })
})

describe("an owner that is frozen inside its transaction", () => {
  test("holds up its successor no longer than the server lets a transaction idle", async () => {
    const { url } = await freshEvents()
    const [frozen, successor] = [await connect(url, { idleTransactionMs: 200 }), await connect(url)]
    const thawed = Promise.withResolvers<void>()
    /** Begins a batch; resolves once it has the partition's row. */
    const begin = async () => {
      const locked = Promise.withResolvers<void>()
      const batch = run(
        Effect.flip(
          frozen.transaction("write_batch", (sql) =>
            Effect.gen(function* () {
              yield* sql.query("SELECT FROM stream_partitions WHERE partition = 0 FOR UPDATE")
              locked.resolve()
              yield* Effect.promise(() => thawed.promise)
              yield* sql.query("UPDATE stream_partitions SET last_stream_id = '9-9'")
            }),
          ),
        ),
      )
      void batch.then(locked.reject)
      await locked.promise
      return { batch }
    }
    // On a busy machine the time may be over before the row is asked for.
    const { batch } = await eventually(begin)
    expect(await run(makeBatchWriter(successor, SITES).acquireEpoch(0))).toMatchObject({
      epoch: 1,
      lastStreamId: "0-0",
    })
    thawed.resolve()
    expect(await batch).toMatchObject({ unavailable: true })
    expect(await countOf(successor, "stream_partitions WHERE last_stream_id <> '0-0'")).toBe(0)
  })
})
