/**
 * Processes entries of which one may end the process. Redis notes each try beforehand, so that the next owner knows during
 * which one the last has ended.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { compareIds } from "../stream/id.ts"
import type { Entry, Takeover } from "../stream/partitionLog.ts"
import { deadLetter } from "./commit.ts"
import { processBatch } from "./isolate.ts"
import type { Owner } from "./owner.ts"
import { type CommitError, isFatal, MAX_ATTEMPTS } from "./verdict.ts"

/** Owners that may meet the same first entry before the partition is processed carefully. */
const CAREFUL_AFTER = 3
/** Entries of a careful try: about as many tries find the few among a batch as then find the one among the few. */
const GROUP_ENTRIES = 32

/** One careful try at a time in this process: when it ends, no other partition's entries are blamed for that. */
const alone = Semaphore.makeUnsafe(1)

/** Whether the first batch after a takeover is processed carefully. */
export const isSuspicious = ({ deliveries, suspects }: Takeover): boolean =>
  deliveries >= CAREFUL_AFTER || suspects !== ""

/**
 * Processes a batch a few entries at a time, and singly those up to the id `suspects`, during whose try an owner has ended
 * (empty when none has).
 */
export const processCarefully = (
  owner: Owner,
  entries: ReadonlyArray<Entry>,
  suspects: string,
): Effect.Effect<void, CommitError> => {
  const isSuspect = (entry: Entry) => suspects !== "" && compareIds(entry.id, suspects) <= 0
  const singly = entries.filter(isSuspect).map((entry) => [entry])
  const others = entries.slice(singly.length)
  const groups = Array.from({ length: Math.ceil(others.length / GROUP_ENTRIES) }, (_, i) =>
    others.slice(i * GROUP_ENTRIES, (i + 1) * GROUP_ENTRIES),
  )
  return Effect.forEach([...singly, ...groups], (apart) => tryApart(owner, apart), { discard: true })
}

/** Tries a few entries, or one, that may end the process; noted beforehand for the next owner. */
const tryApart = (owner: Owner, entries: ReadonlyArray<Entry>): Effect.Effect<void, CommitError> =>
  Effect.gen(function* () {
    const [first] = entries
    const last = entries.at(-1)
    if (first === undefined || last === undefined) return
    const tries = yield* owner.log.noteTry(owner.epoch, first.id, last.id, 1)
    const stored = compareIds(last.id, owner.storedUpTo) <= 0
    if (isFatal({ entries: entries.length, endedOwners: tries - 1, stored })) {
      const reason = `Its actor ended ${MAX_ATTEMPTS} times while processing it.`
      return yield* deadLetter(owner, first, "fatal", reason)
    }
    owner.noted = { from: first.id, to: last.id }
    yield* processBatch(owner, entries)
    owner.noted = null
  }).pipe(alone.withPermit)
