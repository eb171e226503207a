/** Puts back what only Redis had, into streams and figures that were made from the restored rows. */
import type * as Effect from "effect/Effect"
import { decodePayload } from "../domain/payload.ts"
import { fingerprint, partitionOf, partitionOfFingerprint } from "../domain/visitor.ts"
import type { StoreError } from "../stores/errors.ts"
import { type RedisConnection, redisCall } from "../stores/redis.ts"
import { figureKeys, streamKeys, VISITOR_BUCKETS } from "../stores/redisKeys.ts"
import { entryFields } from "../stream/fields.ts"
import { compareIds, nextId, ZERO_ID } from "../stream/id.ts"
import type { Manifest } from "./manifest.ts"
import { readObjects } from "./parts.ts"
import { Letter, PeriodVisitors, type RedisSide, stateOf, WaitingEntry } from "./streams.ts"

export interface RefillOptions extends RedisSide {
  readonly folder: string
  readonly manifest: Manifest
  /** By the backup's partitions: the last entry whose event is among its rows. */
  readonly positions: ReadonlyMap<number, string>
  /** Whether an entry's visitor or site has been erased since it was sent; the partition is the backup's. */
  readonly isErased: (visitorId: string, site: string, partition: number, entry: string) => boolean
}

/** Entries of one call. */
const BATCH = 500

/** Appends to the streams of one kind, each under an id of its own that comes after all that are there. */
class Appender {
  readonly #redis: RedisConnection
  readonly #keyOf: (partition: number) => string
  readonly #last = new Map<number, string>()
  #pending: Array<Promise<Error | null>> = []
  appended = 0

  constructor(redis: RedisConnection, keyOf: (partition: number) => string) {
    this.#redis = redis
    this.#keyOf = keyOf
  }

  /** Under `id`, or the next one that is free. */
  async append(partition: number, id: string, fields: ReadonlyArray<string>): Promise<void> {
    const key = this.#keyOf(partition)
    const last = this.#last.get(partition) ?? (await stateOf(this.#redis, key)).last
    const own = compareIds(id, last) > 0 ? id : nextId(last)
    this.#last.set(partition, own)
    this.#pending.push(
      this.#redis.xadd(key, own, ...fields).then(
        () => null,
        (error: Error) => error,
      ),
    )
    this.appended++
    if (this.#pending.length >= BATCH) await this.flush()
  }

  async flush(): Promise<void> {
    const pending = this.#pending
    this.#pending = []
    for (const failure of await Promise.all(pending)) if (failure !== null) throw failure
  }
}

/** The partition that an entry belongs to now, where it was in partition `before`; `null` where it has been erased. */
const placeOf = (
  { partitions, isErased }: RefillOptions,
  payload: string,
  before: number,
  entry: string,
): number | null => {
  const event = decodePayload(payload)
  // As that of many a dead letter.
  if (typeof event === "string") return before % partitions
  const { visitorId, site } = event
  return isErased(visitorId, site, before, entry) ? null : partitionOf(visitorId, partitions)
}

/** What came back of the dead letters. */
export interface RefilledLetters {
  readonly letters: number
  /** The entries that they had been, `partition/id`, by the backup's partitions. */
  readonly entries: ReadonlySet<string>
}

/**
 * Puts dead letters into the partitions that their visitors have now; those of erased visitors stay away. Before the figures are
 * rebuilt: the first owner of a partition makes an empty stream of them, and they would not keep their ids.
 */
export const refillLetters = (options: RefillOptions): Effect.Effect<RefilledLetters, StoreError> =>
  redisCall(options.metrics, "restore", async () => {
    const { redis, prefix, folder, manifest } = options
    const dead = new Appender(redis, (partition) => streamKeys(prefix, partition).dead)
    const entries = new Set<string>()
    for await (const letter of readObjects(folder, manifest.dead_letters, Letter)) {
      const { payload, reason, entry } = letter
      entries.add(`${letter.partition}/${entry}`)
      const partition = placeOf(options, payload, letter.partition, entry)
      if (partition !== null)
        await dead.append(partition, letter.id, [...entryFields(payload), "reason", reason, "entry", entry])
    }
    await dead.flush()
    return { letters: dead.appended, entries }
  })

/**
 * Puts events that wait into the partitions that their visitors have now, and returns their number. Entries whose events are among the
 * rows, or which are dead letters by now, stay away, and those of erased visitors do. After the figures are rebuilt, which moves each
 * partition to where its rows are.
 */
export const refillWaiting = (
  options: RefillOptions,
  { entries }: RefilledLetters,
): Effect.Effect<number, StoreError> =>
  redisCall(options.metrics, "restore", async () => {
    const { redis, prefix, folder, manifest, positions } = options
    const events = new Appender(redis, (partition) => streamKeys(prefix, partition).events)
    for (const part of manifest.waiting) {
      const position = positions.get(part.partition) ?? ZERO_ID
      for await (const { id, payload } of readObjects(folder, part, WaitingEntry)) {
        if (compareIds(id, position) <= 0 || entries.has(`${part.partition}/${id}`)) continue
        const partition = placeOf(options, payload, part.partition, id)
        if (partition !== null) await events.append(partition, id, entryFields(payload))
      }
    }
    await events.flush()
    return events.appended
  })

type Known = typeof PeriodVisitors.Type

/** By the partitions that visitors have now; nothing of periods whose visitors were only estimated, for nobody knows where they are. */
const regrouped = (known: ReadonlyArray<Known>, partitions: number): ReadonlyArray<Known> =>
  [...Map.groupBy(known, ({ site, period_key }) => `${site} ${period_key}`).values()].flatMap((all) => {
    const [first] = all
    if (first === undefined || all.some(({ estimated }) => estimated)) return []
    const prints = all.flatMap(({ fingerprints }) => fingerprints)
    // Visitors who were erased are in the count only.
    const erased = all.reduce((sum, each) => sum + each.unique_visitors, 0) - prints.length
    const byPartition = Map.groupBy(prints, (print) => partitionOfFingerprint(print, partitions))
    return Array.from({ length: partitions }, (_, partition) => {
      const fingerprints = byPartition.get(partition) ?? []
      const unique_visitors = fingerprints.length + (partition === 0 ? erased : 0)
      return { ...first, partition, unique_visitors, sketch: null, fingerprints }
    })
  })

/** A period of a site. */
export interface SitePeriod {
  readonly site: string
  readonly period_key: string
}

/**
 * Gives the partitions the visitors that were counted in periods which the rows do not tell, and returns these periods. Before the
 * figures are rebuilt, which keeps them. `erased` are visitors who are to be forgotten.
 */
export const refillVisitors = (
  { redis, prefix, partitions, metrics, folder, manifest }: RefillOptions,
  erased: ReadonlyArray<string>,
): Effect.Effect<ReadonlyArray<SitePeriod>, StoreError> =>
  redisCall(metrics, "restore", async () => {
    const gone = new Set(erased.map(fingerprint))
    const stored = await Array.fromAsync(readObjects(folder, manifest.visitors, PeriodVisitors))
    const known = manifest.deployment.partitions === partitions ? stored : regrouped(stored, partitions)
    for (const { partition, site, period_key, ...visitors } of known) {
      const period = figureKeys(prefix, partition, site).period(period_key)
      await redis.hset(period.totals, "unique_visitors", visitors.unique_visitors)
      if (visitors.estimated) await redis.hset(period.totals, "estimated", 1)
      if (visitors.sketch !== null) await redis.set(period.hll, Buffer.from(visitors.sketch, "base64"))
      const buckets = Map.groupBy(visitors.fingerprints, (print) => print % VISITOR_BUCKETS)
      for (const [bucket, members] of buckets) {
        if (visitors.sketch === null) await redis.pfadd(period.hll, ...members)
        const kept = members.filter((print) => !gone.has(print))
        if (kept.length > 0) await redis.sadd(`${period.visitors}${bucket}`, ...kept)
      }
    }
    return known
  })
