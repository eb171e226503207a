import { chmodSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { TestClock } from "effect/testing"
import { describe, expect, test } from "vitest"
import { scheduleRetention } from "../../../src/events/retention/schedule.ts"
import { Metrics } from "../../../src/metrics/metrics.ts"
import { run } from "../../support/effects.ts"
import { connect, countOf, event, freshEvents, store } from "../../support/events.ts"
import { eventually, temporaryFolder } from "../../support/index.ts"
import { wantsFileModes } from "../../support/wants.ts"

const config = {
  retentionCron: "0 2 * * *",
  retentionDays: 10,
  retentionArchiveDir: null,
  timeZone: "Europe/Paris",
  partitions: 2,
}

/** Messages of severity Error. */
const collectErrors = () => {
  const errors: Array<unknown> = []
  const logger = Logger.make(({ logLevel, message }) => {
    if (logLevel === "Error") errors.push(message)
  })
  return { errors, layer: Logger.layer([logger]) }
}

describe("the retention schedule", () => {
  test("closes earlier archives to other users as soon as the node starts", wantsFileModes, async () => {
    const { postgres } = await freshEvents()
    const archive = join(temporaryFolder(), "2025-11-25.ndjson.gz")
    writeFileSync(archive, "")
    chmodSync(archive, 0o644)
    await run(
      Effect.gen(function* () {
        yield* scheduleRetention({
          postgres,
          config: { ...config, retentionArchiveDir: dirname(archive) },
          metrics: new Metrics("test_"),
          uniquesOf: () => Effect.succeed(0),
          now: Date.now,
        })
        yield* Effect.promise(() => eventually(() => expect(statSync(archive).mode & 0o777).toBe(0o600)))
      }).pipe(Effect.scoped),
    )
  })

  test("runs at the cron's time in its zone, not before, and not at the start", async () => {
    const { postgres } = await freshEvents()
    await store(postgres, [event({ createdAt: Date.parse("2025-11-01T12:00:00Z") })])
    const { errors, layer } = collectErrors()
    await run(
      Effect.gen(function* () {
        // 02:00 in Paris is 01:00 UTC.
        yield* TestClock.setTime(Date.parse("2025-12-08T00:59:00Z"))
        yield* scheduleRetention({
          postgres,
          config,
          metrics: new Metrics("test_"),
          uniquesOf: () => Effect.succeed(0),
          now: () => Date.parse("2025-12-08T01:00:00Z"),
        })
        yield* Effect.promise(() =>
          eventually(async () => {
            expect(await countOf(postgres, "pg_class WHERE relname = 'event_chunks_20251211'")).toBe(1)
          }),
        )
        yield* TestClock.adjust("59 seconds")
        expect(yield* Effect.promise(() => countOf(postgres, "analytics_events"))).toBe(1)
        yield* TestClock.adjust("1 second")
        yield* Effect.promise(() =>
          eventually(async () => {
            expect(await countOf(postgres, "pg_class WHERE relname = 'event_chunks_20251101'")).toBe(0)
          }),
        )
      }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.provide(layer)),
    )
    expect(errors).toEqual([])
  })

  test("goes on after a run that failed", async () => {
    const { url, postgres } = await freshEvents()
    const broken = await connect(url.replace(/[^/]*$/, "no_such_database"))
    const { errors, layer } = collectErrors()
    await run(
      Effect.gen(function* () {
        yield* TestClock.setTime(Date.parse("2025-12-08T00:00:00Z"))
        yield* scheduleRetention({
          postgres: broken,
          config,
          metrics: new Metrics("test_"),
          uniquesOf: () => Effect.succeed(0),
          now: () => Date.parse("2025-12-08T01:00:00Z"),
        })
        // Each round of the loop lets an hour pass, and then as much real time as a query takes.
        while (errors.length < 2) {
          yield* TestClock.adjust("1 hour")
          yield* Effect.promise(() => countOf(postgres, "sites"))
        }
      }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.provide(layer)),
    )
    expect(errors[0]).toMatchObject(["retention failed: the next run continues"])
  })

  test("ends with its scope in the middle of a run, which is no failure", async () => {
    const { postgres } = await freshEvents()
    await store(postgres, [event({ createdAt: Date.parse("2025-11-01T12:00:00Z") })])
    const { errors, layer } = collectErrors()
    let asked = 0
    await run(
      Effect.gen(function* () {
        yield* TestClock.setTime(Date.parse("2025-12-08T00:59:00Z"))
        yield* scheduleRetention({
          postgres,
          config,
          metrics: new Metrics("test_"),
          uniquesOf: () =>
            Effect.andThen(
              Effect.sync(() => asked++),
              Effect.never,
            ),
          now: () => Date.parse("2025-12-08T01:00:00Z"),
        })
        while (asked === 0) {
          yield* TestClock.adjust("1 minute")
          yield* Effect.promise(() => countOf(postgres, "sites"))
        }
      }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.provide(layer)),
    )
    expect(errors).toEqual([])
    expect(await countOf(postgres, "analytics_events")).toBe(1)
    expect(postgres.pool.totalCount).toBe(postgres.pool.idleCount)
  })
})
