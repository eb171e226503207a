/**
 * The actor of one partition. It owns the partition's stream and figures while its epoch is the latest one.
 *
 * - **taking over**: Postgres hands out the next epoch, Redis notes it; from here on every earlier owner is fenced off.
 * - **reading**: entries after the applied position, as many as there are up to a batch, waiting when there are none.
 * - **committing** a batch, in stream order:
 *   1. Postgres, one transaction: rows, idempotency keys, daily totals, the partition's position;
 *   2. Redis, one script: figures, position, the entries leave the stream, and one delta for the dashboards.
 *   A crash between 1 and 2 leaves the entries in the stream; the next owner meets them again, Postgres tells which of
 *   them counted, and only 2 happens.
 * - **waiting** when a store is away: the same batch is tried again, for as long as it takes.
 * - **isolating** when Postgres cannot take a batch: it is halved until the entry that is to blame stands alone, which is
 *   tried a few times more and then dead-lettered. The others go on.
 * - **careful** when this partition's first entry has met several owners, so that an entry which ends its actor is found, too:
 *   a few entries at a time, and once an owner has ended during that, those few one by one.
 * - **fenced**: a later epoch owns the partition, or Redis was away and may have come back without its last writes; the actor
 *   ends, changes nothing more, and whoever owns the partition next takes it over anew.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { applyTotals } from "../aggregates/apply.ts"
import { letterTypeOf } from "../domain/aggregation.ts"
import { decodePayload } from "../domain/event.ts"
import type { Calendar } from "../domain/period.ts"
import { acquireEpoch, type BatchEntry, writeBatch } from "../events/write/index.ts"
import type { LiveFeed } from "../live/feed.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { Fenced, type StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import type { RedisConnection } from "../stores/redis.ts"
import { compareIds } from "../stream/id.ts"
import { type Entry, fencedCall, type PartitionLog } from "../stream/partitionLog.ts"
import { isFatal, MAX_ATTEMPTS, type Poison, verdictOn } from "./verdict.ts"

/** Entries of one batch: beyond about a thousand, Postgres gains nothing and a stop takes longer. */
const BATCH_ENTRIES = 1000
/**
 * Rest after a batch that was not full, so that the next one is larger: what a batch costs whatever its size is shared by more
 * events. One that comes after a pause is processed at once.
 */
const REST = Duration.millis(50)
/** Owners that may meet the same first entry before the partition is processed carefully. */
const CAREFUL_AFTER = 3
/** Entries of a careful try: about as many tries find the few among a batch as then find the one among the few. */
const GROUP_ENTRIES = 32

/** One careful try at a time in this process: when it ends, no other partition's entries are blamed for that. */
const alone = Semaphore.makeUnsafe(1)

/** Between two tries of a batch while a store is away. */
const whileAway = Schedule.exponential("100 millis", 2).pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(3)))),
  Schedule.jittered,
)

export interface PartitionActorOptions {
  readonly partition: number
  readonly prefix: string
  readonly log: PartitionLog
  readonly redis: RedisConnection
  readonly postgres: Postgres
  readonly calendar: Calendar
  readonly metrics: Metrics
  readonly live: LiveFeed
  /** Unix milliseconds. */
  readonly now: () => number
}

type Unreadable = { readonly entry: Entry; readonly reason: string }

/** The readable entries up to the first unreadable one, and that one. */
const decodeUpTo = (
  entries: ReadonlyArray<Entry>,
): { batch: Array<BatchEntry>; unreadable: Unreadable | null } => {
  const batch: Array<BatchEntry> = []
  for (const entry of entries) {
    const event = decodePayload(entry.payload)
    if (typeof event === "string") return { batch, unreadable: { entry, reason: event } }
    batch.push({ streamId: entry.id, event })
  }
  return { batch, unreadable: null }
}

/**
 * Owns the partition until fenced or interrupted. `token` is the lease's, which the caller holds and renews.
 * An interruption waits for a running commit.
 */
export const runPartitionActor = (
  options: PartitionActorOptions,
  token: string,
): Effect.Effect<never, Fenced | StoreError> =>
  Effect.gen(function* () {
    const { partition, prefix, log, redis, postgres, calendar, metrics, live, now } = options
    const { epoch, lastStreamId } = yield* acquireEpoch(postgres, partition)
    const takeover = yield* log.takeOver(token, epoch, lastStreamId)
    let position = takeover.applied
    yield* Effect.logInfo("partition taken over").pipe(
      Effect.annotateLogs({ partition, epoch, position, deliveries: takeover.deliveries }),
    )
    if (takeover.lost) {
      yield* Effect.logError(
        "Redis has lost figures of this partition; run the rebuild command to restore them from Postgres",
      ).pipe(Effect.annotateLogs({ partition }))
    }

    const count = (entries: ReadonlyArray<BatchEntry>, newVisitors: number) => {
      // Summed first: raising a metric takes half a microsecond, and a batch has few types and pages.
      const types = new Map<string, number>()
      const pages = new Map<string | null, number>()
      for (const { event } of entries) {
        types.set(event.type, (types.get(event.type) ?? 0) + 1)
        if (event.type === "page_view") pages.set(event.pageUrl, (pages.get(event.pageUrl) ?? 0) + 1)
        const letter = letterTypeOf(event)
        if (letter !== null) metrics.letters.inc({ type: letter })
      }
      for (const [type, n] of types) metrics.events.inc({ event_type: metrics.eventTypeLabel.value(type) }, n)
      for (const [page, n] of pages) metrics.pageViews.inc({ path: metrics.pathLabel.value(pathOf(page)) }, n)
      metrics.visitors.inc(newVisitors)
    }

    /** Steps 1 and 2 for entries that follow the position. */
    const commit = (entries: ReadonlyArray<BatchEntry>) =>
      Effect.gen(function* () {
        const last = entries[entries.length - 1]
        if (last === undefined) return
        const end = metrics.batchDuration.startTimer()
        const written = yield* writeBatch(postgres, { partition, epoch, entries, calendar })
        const { totals } = written
        const newVisitors = yield* fencedCall(metrics, partition, "apply", () =>
          applyTotals(redis, {
            prefix,
            partition,
            epoch,
            move: { from: position, to: last.streamId },
            totals,
            announcement: live.messageOf(written.counted),
            calendar,
            now: now(),
          }),
        )
        position = last.streamId
        end()
        metrics.batchSize.observe(entries.length)
        metrics.redeliveries.inc(written.redelivered)
        metrics.duplicates.inc(written.duplicates)
        // `null`: a try whose reply was lost had applied it; what was new to the day is not known any more.
        count(written.counted, newVisitors ?? 0)
      }).pipe(Effect.uninterruptible)

    const deadLetter = (entry: Entry, reason: string, poison: Poison) =>
      Effect.gen(function* () {
        yield* log
          .deadLetter(epoch, position, entry, reason)
          .pipe(Effect.retry({ schedule: whileAway, while: (error) => error._tag === "StoreError" }))
        position = entry.id
        metrics.deadLettered.inc({ reason: poison })
        yield* Effect.logError("event dead-lettered").pipe(
          Effect.annotateLogs({ partition, entry: entry.id, kind: poison }),
        )
      })

    /** Says that a store keeps a batch waiting. */
    const storeFailed = (error: StoreError) =>
      Effect.sync(() => metrics.batchRetries.inc({ store: error.store })).pipe(
        Effect.andThen(
          error.unavailable
            ? Effect.logWarning("a store is away; the batch waits")
            : Effect.logError("a store refuses every batch; it waits until that is mended"),
        ),
        Effect.annotateLogs({ partition, store: error.store, code: error.code }),
      )

    /** Commits entries, setting aside those that Postgres cannot take; `excuse` runs whenever a store has spoiled a try. */
    const settle = (
      entries: ReadonlyArray<BatchEntry>,
      payloads: ReadonlyMap<string, string>,
      excuse: Effect.Effect<unknown, Fenced | StoreError>,
    ): Effect.Effect<void, Fenced | StoreError> =>
      Effect.gen(function* () {
        const rest = yield* Schedule.toStepWithSleep(whileAway)
        for (let attempts = 1; ; ) {
          const exit = yield* Effect.exit(commit(entries))
          if (Exit.isSuccess(exit)) return
          const verdict = verdictOn(exit.cause, { entries: entries.length, attempts })
          switch (verdict.kind) {
            case "stopped":
            case "fenced":
              return yield* Effect.failCause(exit.cause)
            case "wait":
              // A Redis that cannot note it may leave the entries suspected, which costs a few more tries.
              yield* excuse.pipe(Effect.catchTag("StoreError", () => Effect.void))
              yield* storeFailed(verdict.error)
              yield* Effect.ignore(rest(verdict.error))
              break
            case "halve": {
              const half = entries.length >> 1
              yield* settle(entries.slice(0, half), payloads, excuse)
              return yield* settle(entries.slice(half), payloads, excuse)
            }
            case "retry":
              attempts++
              break
            case "dead-letter": {
              const id = entries[0]?.streamId ?? ""
              return yield* deadLetter({ id, payload: payloads.get(id) ?? "" }, verdict.reason, "rejected")
            }
          }
        }
      })

    const processBatch = (
      entries: ReadonlyArray<Entry>,
      excuse: Effect.Effect<unknown, Fenced | StoreError> = Effect.void,
    ): Effect.Effect<void, Fenced | StoreError> =>
      Effect.gen(function* () {
        let rest = entries
        while (rest.length > 0) {
          const { batch, unreadable } = decodeUpTo(rest)
          if (batch.length > 0) {
            yield* settle(batch, new Map(rest.map((entry) => [entry.id, entry.payload])), excuse)
          }
          if (unreadable !== null) yield* deadLetter(unreadable.entry, unreadable.reason, "unreadable")
          rest = rest.slice(batch.length + (unreadable === null ? 0 : 1))
        }
      })

    /** Tries a few entries, or one, that may end the process, noted beforehand for whoever comes then. */
    const tryApart = (entries: ReadonlyArray<Entry>): Effect.Effect<void, Fenced | StoreError> =>
      Effect.gen(function* () {
        const [first] = entries
        const last = entries.at(-1)
        if (first === undefined || last === undefined) return
        const attempts = yield* log.noteTry(epoch, first.id, last.id, 1)
        const stored = compareIds(last.id, lastStreamId) <= 0
        if (isFatal({ entries: entries.length, endedOwners: attempts - 1, stored })) {
          return yield* deadLetter(
            first,
            `Its actor ended ${MAX_ATTEMPTS} times while processing it.`,
            "fatal",
          )
        }
        // Waiting for a store must not look like the entries' doing should this process be stopped meanwhile.
        let excused = false
        const excuse = Effect.suspend(() => {
          if (excused) return Effect.void
          excused = true
          return log.noteTry(epoch, first.id, last.id, -1)
        })
        yield* processBatch(entries, excuse)
      }).pipe(alone.withPermit)

    /**
     * Like {@link processBatch} for entries of which one may end the process: a few at a time, and singly those up to `suspects`,
     * during whose try an owner has ended.
     */
    const processCarefully = (
      entries: ReadonlyArray<Entry>,
      suspects: string,
    ): Effect.Effect<void, Fenced | StoreError> => {
      const isSuspect = (entry: Entry) => suspects !== "" && compareIds(entry.id, suspects) <= 0
      const singly = entries.filter(isSuspect).map((entry) => [entry])
      const others = entries.slice(singly.length)
      const groups = Array.from({ length: Math.ceil(others.length / GROUP_ENTRIES) }, (_, i) =>
        others.slice(i * GROUP_ENTRIES, (i + 1) * GROUP_ENTRIES),
      )
      return Effect.forEach([...singly, ...groups], tryApart, { discard: true })
    }

    const readOn = Effect.suspend(() => log.read(position, BATCH_ENTRIES)).pipe(
      Effect.catch((error) =>
        error.unavailable
          ? // What a takeover finds may be older than this position, and reading on from it would pass that by.
            log
              .read(position, 1)
              .pipe(
                Effect.retry({ schedule: whileAway, while: (again) => again.unavailable }),
                Effect.andThen(
                  new Fenced({ partition, message: "Redis was away; the partition is taken over anew" }),
                ),
              )
          : Effect.fail(error),
      ),
    )

    let careful = takeover.deliveries >= CAREFUL_AFTER || takeover.suspects !== ""
    while (true) {
      const entries = yield* readOn
      if (entries.length > 0)
        yield* careful ? processCarefully(entries, takeover.suspects) : processBatch(entries)
      careful = false
      if (entries.length > 0 && entries.length < BATCH_ENTRIES) yield* Effect.sleep(REST)
    }
  })

/** The path of a page for a label: without scheme, host, query and fragment, which have no bounds. */
const pathOf = (pageUrl: string | null): string => {
  if (pageUrl === null) return ""
  const start = pageUrl.startsWith("/") ? 0 : pageUrl.indexOf("/", pageUrl.indexOf("//") + 2)
  if (start < 0) return "/"
  const end = pageUrl.slice(start).search(/[?#]/)
  return end < 0 ? pageUrl.slice(start) : pageUrl.slice(start, start + end)
}
