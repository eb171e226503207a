/** The two ways in which entries leave the stream: committed, or dead-lettered. Both move the owner's position on. */
import * as Effect from "effect/Effect"
import { applyTotals } from "../aggregates/apply.ts"
import type { BatchEntry } from "../events/write/index.ts"
import type { Fenced, StoreError } from "../stores/errors.ts"
import { type Entry, fencedCall } from "../stream/partitionLog.ts"
import { count } from "./outcomes.ts"
import { type Owner, whileUnavailable } from "./owner.ts"
import type { CommitError, Poison } from "./verdict.ts"

/**
 * Commits entries that follow the position: Postgres first, then Redis (see partitionActor.ts). Tried again after a
 * failure, it does what is left to do. An interruption waits for its end.
 */
export const commit = (owner: Owner, entries: ReadonlyArray<BatchEntry>): Effect.Effect<void, CommitError> =>
  Effect.gen(function* () {
    const { prefix, partition, epoch, calendar, metrics } = owner
    const last = entries.at(-1)
    if (last === undefined) return
    const started = performance.now()
    const written = yield* owner.writer.write({ partition, epoch, entries, calendar })
    const newVisitors = yield* fencedCall(metrics, partition, "apply", () =>
      applyTotals(owner.redis, {
        prefix,
        partition,
        epoch,
        move: { from: owner.position, to: last.streamId },
        totals: written.totals,
        announcement: owner.live.messageOf(owner.deployment, written.counted),
        calendar,
        now: owner.now(),
      }),
    )
    owner.position = last.streamId
    const milliseconds = performance.now() - started
    count(metrics, { kind: "applied", entries: entries.length, milliseconds, written, newVisitors })
  }).pipe(Effect.uninterruptible)

/** Sets the first waiting entry aside for good, however long Redis keeps it waiting. */
export const deadLetter = (
  owner: Owner,
  entry: Entry,
  poison: Poison,
  reason: string,
): Effect.Effect<void, Fenced | StoreError> =>
  Effect.gen(function* () {
    const { partition, epoch, log, metrics, mode } = owner
    const before = mode.now
    yield* log.deadLetter(epoch, owner.position, entry, reason).pipe(
      Effect.tapError((error) => (error._tag === "StoreError" ? mode.enter("waiting", error) : Effect.void)),
      Effect.retry({ schedule: whileUnavailable, while: (error) => error._tag === "StoreError" }),
    )
    owner.position = entry.id
    yield* mode.enter(before)
    count(metrics, { kind: "dead-lettered", poison })
    yield* Effect.logError("event dead-lettered").pipe(
      Effect.annotateLogs({ partition, entry: entry.id, kind: poison }),
    )
  })
