/**
 * The keys of cookieless visitor ids: one random key a day, shared by all nodes through Redis and forgotten soon after
 * the day, so that nobody can find out afterwards which address an id came from.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { addDays, type Calendar, type Day } from "../domain/period.ts"
import { HOUR_MS, MINUTE_MS } from "../domain/time.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { logFailure } from "../stores/advice.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { visitorKeyKey } from "../stores/redisKeys.ts"
import { keysLike } from "../stores/scan.ts"

/** A key outlives its day by this much: nodes' clocks differ. Seconds. */
const GRACE_SECONDS = 600
/** Between two looks at whether the next day's key is needed. */
const REFRESH = "20 seconds"
/** The next day's key is fetched this long before the day begins, milliseconds: what is signed for an hour has it, however late the look. */
const AHEAD_MS = HOUR_MS + 5 * MINUTE_MS

export interface VisitorKeys {
  /** The key of the day of an instant (unix milliseconds); `null` while Redis has not given it yet, and when it is forgotten. */
  readonly current: (at: number) => Buffer | null
}

export interface DayKeysOptions {
  readonly redis: RedisConnection
  readonly prefix: string
  readonly calendar: Calendar
  readonly metrics: Metrics
  /** Unix milliseconds. */
  readonly now: () => number
}

/** The days whose keys there are at an instant, unix milliseconds. */
export const daysOfKeys = (calendar: Calendar, now: number): ReadonlySet<Day> =>
  new Set([
    calendar.dayOf(now),
    calendar.dayOf(now + AHEAD_MS),
    // The day before for as long as its key is there: an event of 23:59:50 may come at 00:00:10.
    calendar.dayOf(now - GRACE_SECONDS * 1000),
  ])

/** Keeps today's key, tomorrow's shortly before midnight and yesterday's shortly after it, until the scope ends. */
export const makeVisitorKeys = (options: DayKeysOptions): Effect.Effect<VisitorKeys, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { redis, prefix, calendar, metrics, now } = options
    const known = new Map<Day, Buffer>()

    const fetchKey = (day: Day): Effect.Effect<void, StoreError> =>
      redisCall(metrics, "visitor_key", async () => {
        const key = visitorKeyKey(prefix, day)
        const expiry = Math.floor(calendar.startOf(addDays(day, 1)) / 1000) + GRACE_SECONDS
        await redis.set(key, randomBytes(32).toString("base64"), "EXAT", expiry, "NX")
        const agreed = await redis.get(key)
        if (agreed !== null) known.set(day, Buffer.from(agreed, "base64"))
      })

    const refresh = Effect.gen(function* () {
      const wanted = daysOfKeys(calendar, now())
      for (const day of known.keys()) if (!wanted.has(day)) known.delete(day)
      for (const day of wanted) if (!known.has(day)) yield* fetchKey(day)
    }).pipe(Effect.catch((error) => logFailure(error, "no visitor key for the day")))

    yield* refresh
    yield* Effect.forkScoped(
      Effect.forever(
        // Soon again while today's key is missing: events without a visitor id are refused meanwhile.
        Effect.suspend(() => Effect.sleep(known.has(calendar.dayOf(now())) ? REFRESH : "500 millis")).pipe(
          Effect.andThen(refresh),
        ),
      ),
    )
    return { current: (at) => known.get(calendar.dayOf(at)) ?? null }
  })

interface KeysPlace {
  readonly redis: RedisConnection
  readonly metrics: Metrics
}

/** Takes the keys to another Redis, where they are forgotten at the same time, so that cookieless visitors stay who they are. */
export const carryVisitorKeys = (
  from: KeysPlace,
  to: KeysPlace,
  prefix: string,
): Effect.Effect<void, StoreError> =>
  Effect.gen(function* () {
    const keys = yield* redisCall(from.metrics, "visitor_key", async () =>
      Promise.all(
        (await keysLike(from.redis, visitorKeyKey(prefix, "*"))).map(async (name) => ({
          name,
          key: await from.redis.get(name),
          expiry: await from.redis.expiretime(name),
        })),
      ),
    )
    for (const { name, key, expiry } of keys)
      if (key !== null && expiry > 0)
        yield* redisCall(to.metrics, "visitor_key", () => to.redis.set(name, key, "EXAT", expiry))
  })
