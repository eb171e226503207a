/** What only Redis has, and a rebuild cannot make again: events that wait, dead letters, and the visitors of some periods. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isClosed } from "../aggregates/apply.ts"
import { openDays } from "../domain/lateWindow.ts"
import { type Calendar, type Day, PERIODS, periodBounds, periodKey } from "../domain/period.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { figureKeys, streamKeys, VISITOR_BUCKETS } from "../stores/redisKeys.ts"
import { deadLetters } from "../stream/deadLetters.ts"
import { payloadIn } from "../stream/fields.ts"
import { ZERO_ID } from "../stream/id.ts"
import { type Part, toLines, writePart } from "./parts.ts"

/** A deployment's part of a Redis. */
export interface RedisSide {
  readonly redis: RedisConnection
  readonly prefix: string
  readonly partitions: number
  readonly metrics: Metrics
}

/** An event that waits, as its stream has it. */
export const WaitingEntry = Schema.Struct({ id: Schema.String, payload: Schema.String })

/** A dead letter. */
export const Letter = Schema.Struct({
  partition: Schema.Int,
  id: Schema.String,
  entry: Schema.String,
  reason: Schema.String,
  payload: Schema.String,
})

/** Who a partition has counted in a period. */
export const PeriodVisitors = Schema.Struct({
  partition: Schema.Int,
  site: Schema.String,
  period_key: Schema.String,
  unique_visitors: Schema.Int,
  /** Whether there were too many to be counted exactly; then `fingerprints` is empty. */
  estimated: Schema.Boolean,
  /** HyperLogLog, as Redis stores it, base64. */
  sketch: Schema.NullOr(Schema.String),
  fingerprints: Schema.Array(Schema.Int),
})

/** Where a stream is. */
interface StreamState {
  /** The last id that it has given. */
  readonly last: string
  /** Entries that have been taken out, ever. */
  readonly removed: number
}

/** Of a stream that there is none of yet. */
const EMPTY: StreamState = { last: ZERO_ID, removed: 0 }

/** Where a stream is, by Redis' own counts. */
export const stateOf = async (redis: RedisConnection, key: string): Promise<StreamState> => {
  if ((await redis.exists(key)) === 0) return EMPTY
  const reply: unknown = await redis.xinfo("STREAM", key)
  const fields: ReadonlyArray<unknown> = Array.isArray(reply) ? reply : []
  const field = (name: string) => String(fields[fields.indexOf(name) + 1])
  return {
    last: field("last-generated-id"),
    removed: Number(field("entries-added")) - Number(field("length")),
  }
}

/** Entries of one read. */
const PAGE = 1000

async function* waitingEntries(
  redis: RedisConnection,
  key: string,
): AsyncGenerator<typeof WaitingEntry.Type> {
  // What comes later is not of this backup, and would keep it from ending under load.
  const { last } = await stateOf(redis, key)
  let after = "-"
  while (true) {
    const page = await redis.xrange(key, after, last, "COUNT", PAGE)
    for (const [id, fields] of page) yield { id, payload: payloadIn(fields) }
    const read = page.at(-1)
    if (read === undefined) return
    after = `(${read[0]}`
  }
}

/** Copies the events of a partition that wait now. */
export const dumpWaiting = async ({ redis, prefix }: RedisSide, folder: string, partition: number) => ({
  ...(await writePart(
    folder,
    `waiting-${partition}.ndjson.gz`,
    toLines(waitingEntries(redis, streamKeys(prefix, partition).events)),
  )),
  partition,
})

/** Copies the dead letters. */
export const dumpLetters = (side: RedisSide, folder: string): Promise<Part> =>
  writePart(folder, "dead-letters.ndjson.gz", toLines(deadLetters(side)))

/** How many dead letters have been taken out of each partition's, ever: replayed or dropped. */
export const lettersRemoved = ({
  redis,
  prefix,
  partitions,
  metrics,
}: RedisSide): Effect.Effect<ReadonlyArray<number>, StoreError> =>
  redisCall(metrics, "backup", () =>
    Promise.all(
      Array.from({ length: partitions }, async (_, partition) => {
        const { removed } = await stateOf(redis, streamKeys(prefix, partition).dead)
        return removed
      }),
    ),
  )

export interface VisitorsOptions {
  readonly calendar: Calendar
  readonly sites: ReadonlyArray<string>
  /** The first day whose raw events are all there; `null` when those of every day are. */
  readonly completeSince: Day | null
  /** Unix milliseconds. */
  readonly now: number
}

/** Periods that may still change, and whose raw events are not all there. */
const periodsOf = ({ calendar, completeSince, now }: VisitorsOptions): ReadonlySet<string> =>
  new Set(
    openDays(calendar, now).flatMap((day) =>
      PERIODS.filter(
        (period) =>
          completeSince !== null &&
          periodBounds(period, day).from < completeSince &&
          !isClosed(calendar, period, day, now),
      ).map((period) => periodKey(period, day)),
    ),
  )

async function* visitorsOf(
  { redis, prefix, partitions }: RedisSide,
  options: VisitorsOptions,
): AsyncGenerator<typeof PeriodVisitors.Type> {
  const keys = periodsOf(options)
  for (const site of options.sites)
    for (const period_key of keys)
      for (let partition = 0; partition < partitions; partition++) {
        const period = figureKeys(prefix, partition, site).period(period_key)
        const [uniques, estimated] = await redis.hmget(period.totals, "unique_visitors", "estimated")
        if (uniques === null || uniques === undefined) continue
        const sketch = await redis.getBuffer(period.hll)
        const fingerprints: Array<number> = []
        for (let bucket = 0; bucket < VISITOR_BUCKETS; bucket++)
          fingerprints.push(...(await redis.smembers(`${period.visitors}${bucket}`)).map(Number))
        yield {
          ...{ partition, site, period_key },
          unique_visitors: Number(uniques),
          estimated: estimated !== null,
          sketch: sketch?.toString("base64") ?? null,
          fingerprints: estimated === null ? fingerprints : [],
        }
      }
}

/** Copies the visitors that Redis knows of periods which Postgres cannot count again. */
export const dumpVisitors = (side: RedisSide, folder: string, options: VisitorsOptions): Promise<Part> =>
  writePart(folder, "visitors.ndjson.gz", toLines(visitorsOf(side, options)))
