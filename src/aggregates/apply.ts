/** Applies a batch's totals to the figures in Redis: one script call, fenced and exactly once. */
import type { BatchTotals, DayTotals } from "../domain/aggregation.ts"
import { LATE_WINDOW_MS } from "../domain/lateWindow.ts"
import { CURRENT_VISITOR_MS } from "../domain/limits.ts"
import { type Calendar, type Day, PERIODS, type Period, periodBounds, periodKey } from "../domain/period.ts"
import { DAY_SECONDS } from "../domain/time.ts"
import { fingerprint } from "../domain/visitor.ts"
import type { LiveMessage } from "../live/feed.ts"
import type { RedisConnection } from "../stores/redis.ts"
import { figureKeys, streamKeys, VISITOR_BUCKETS } from "../stores/redisKeys.ts"
import { Script } from "../stores/script.ts"
import { nextId } from "../stream/id.ts"

const applyScript = Script.load(new URL("./lua/apply.lua", import.meta.url))

/** Days for which a period's figures live after it has ended. */
const LIFETIME_DAYS: { readonly [P in Period]: number } = { day: 90, week: 365, month: 365 }
/** How long a period's exact visitors are kept after it has ended: late events may still come from one of them. */
const EXACT_SECONDS = LATE_WINDOW_MS / 1000

/** How a batch moves the partition's position: the compare-and-set that makes it apply exactly once. */
export interface Move {
  /** The position before the batch. */
  readonly from: string
  /** The position after it: the id of its last entry. */
  readonly to: string
}

export interface ApplyRequest {
  readonly prefix: string
  readonly partition: number
  readonly epoch: number
  /** `null` adds figures without touching the stream. */
  readonly move: Move | null
  readonly totals: BatchTotals
  /** Published with the figures, so that receivers find them. Not published if the batch was already applied. */
  readonly announcement?: LiveMessage | null
  readonly calendar: Calendar
  /** Unix milliseconds. */
  readonly now: number
  /**
   * Builds figures next to the live ones, under keys with this prefix. Meanwhile visitors of closed periods are counted
   * exactly, too.
   */
  readonly rebuildPrefix?: string
}

/** Unix seconds at which the period containing `day` ends. Cached, because every batch asks for the same few. */
class PeriodEnds {
  readonly #known = new WeakMap<Calendar, Map<string, number>>()

  of(calendar: Calendar, period: Period, day: Day): number {
    let ends = this.#known.get(calendar)
    if (ends === undefined || ends.size > 1000) {
      ends = new Map()
      this.#known.set(calendar, ends)
    }
    const key = `${period} ${day}`
    let end = ends.get(key)
    if (end === undefined) {
      end = Math.floor(calendar.startOf(periodBounds(period, day).until) / 1000)
      ends.set(key, end)
    }
    return end
  }
}

const periodEnds = new PeriodEnds()

/** Unix seconds from which on a period is closed, and its exact visitors are no longer kept. */
const closesAt = (calendar: Calendar, period: Period, day: Day): number =>
  periodEnds.of(calendar, period, day) + EXACT_SECONDS

/** Whether the period containing `day` is closed at `now`, unix milliseconds: no event can be that late. */
export const isClosed = (calendar: Calendar, period: Period, day: Day, now: number): boolean =>
  closesAt(calendar, period, day) <= now / 1000

/** Fingerprints of the day's visitors by bucket, without empty buckets. */
const bucketsOf = (
  day: DayTotals,
  fingerprintOf: (visitor: string) => number,
): ReadonlyMap<number, ReadonlyArray<number>> => {
  const buckets = new Map<number, Array<number>>()
  for (const visitor of day.visitors) {
    const value = fingerprintOf(visitor)
    const bucket = buckets.get(value % VISITOR_BUCKETS)
    if (bucket === undefined) buckets.set(value % VISITOR_BUCKETS, [value])
    else bucket.push(value)
  }
  return buckets
}

/** Adds a day group to the call, with keys and arguments in the order listed at the top of apply.lua. */
const pushDay = (
  keys: Array<string>,
  args: Array<string | number>,
  day: DayTotals,
  request: ApplyRequest,
  fingerprintOf: (visitor: string) => number,
): void => {
  const { calendar, partition, now } = request
  const site = figureKeys(request.rebuildPrefix ?? request.prefix, partition, day.site)
  const nowSeconds = Math.floor(now / 1000)
  const buckets = bucketsOf(day, fingerprintOf)
  if (day.themes.size > 0) keys.push(site.themes)
  args.push(day.events, day.pageViews, day.letters, day.motivation, day.antiMotivation)
  for (const period of PERIODS) {
    const end = periodEnds.of(calendar, period, day.day)
    const expiry = end + LIFETIME_DAYS[period] * DAY_SECONDS
    const exactUntil = Math.max(
      closesAt(calendar, period, day.day),
      request.rebuildPrefix === undefined ? 0 : nowSeconds + DAY_SECONDS,
    )
    args.push(expiry > nowSeconds ? expiry : 0, exactUntil > nowSeconds ? exactUntil : 0)
    if (expiry <= nowSeconds) continue
    const { totals, themes, hll, visitors } = site.period(periodKey(period, day.day))
    keys.push(totals)
    if (day.themes.size > 0) keys.push(themes)
    if (buckets.size > 0) keys.push(hll)
    if (exactUntil > nowSeconds) for (const bucket of buckets.keys()) keys.push(`${visitors}${bucket}`)
  }
  args.push(day.themes.size)
  for (const [theme, views] of day.themes) args.push(theme, views)
  args.push(buckets.size)
  for (const members of buckets.values()) args.push(members.length, ...members)
}

/**
 * Adds the totals and, given a `move`, moves the partition's position; all or nothing. Resolves with the number of
 * visitors new to their day, or `null` if this batch was already applied. Rejects with Redis' error; one that begins
 * with `FENCED` means that another actor owns the partition.
 */
export const applyTotals = async (redis: RedisConnection, request: ApplyRequest): Promise<number | null> => {
  const { prefix, partition, epoch, move, totals, now } = request
  const stream = streamKeys(prefix, partition)
  const keys: Array<string> = [stream.state, stream.events]
  const args: Array<string | number> = [
    epoch,
    move?.from ?? "",
    move?.to ?? "",
    move === null ? "" : nextId(move.to),
    request.announcement?.channel ?? "",
    request.announcement?.text ?? "",
  ]
  args.push(totals.days.size)
  // A visitor is needed twice: for its days, and for the time it was last seen.
  const fingerprints = new Map<string, number>()
  const fingerprintOf = (visitor: string): number => {
    const known = fingerprints.get(visitor)
    if (known !== undefined) return known
    const made = fingerprint(visitor)
    fingerprints.set(visitor, made)
    return made
  }
  for (const day of totals.days.values()) pushDay(keys, args, day, request, fingerprintOf)
  args.push(totals.lastSeen.size, now - CURRENT_VISITOR_MS)
  for (const [site, seen] of totals.lastSeen) {
    keys.push(figureKeys(request.rebuildPrefix ?? prefix, partition, site).active)
    args.push(seen.size)
    // A sender's clock that is ahead must not keep its visitor current for longer.
    for (const [visitor, at] of seen) args.push(Math.min(at, now), fingerprintOf(visitor))
  }
  const reply = await applyScript.run(redis, keys, args)
  if (typeof reply !== "number") throw new Error(`unexpected reply of the apply script: ${String(reply)}`)
  return reply < 0 ? null : reply
}
