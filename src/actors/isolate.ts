/** Processes a batch whatever is in it: the entries that Postgres can take are committed, the others are dead-lettered. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import { decodePayload } from "../domain/payload.ts"
import type { BatchEntry } from "../events/write/index.ts"
import type { Fenced } from "../stores/errors.ts"
import type { Entry } from "../stream/partitionLog.ts"
import { commit, deadLetter } from "./commit.ts"
import { count } from "./outcomes.ts"
import { type Owner, whileUnavailable } from "./owner.ts"
import { type CommitError, verdictOn } from "./verdict.ts"

/** An entry that was decoded, and what it was decoded from, for a dead letter. */
interface Decoded extends BatchEntry {
  readonly payload: string
}

/** The readable entries up to the first unreadable one, and why that one is. */
const decodeUpTo = (
  entries: ReadonlyArray<Entry>,
): { readonly readable: ReadonlyArray<Decoded>; readonly unreadable: string | null } => {
  const readable: Array<Decoded> = []
  for (const { id, payload } of entries) {
    const event = decodePayload(payload)
    if (typeof event === "string") return { readable, unreadable: event }
    readable.push({ streamId: id, event, payload })
  }
  return { readable, unreadable: null }
}

/** Processes entries that follow the owner's position, as they were read. */
export const processBatch = (owner: Owner, entries: ReadonlyArray<Entry>): Effect.Effect<void, CommitError> =>
  Effect.gen(function* () {
    let rest = entries
    while (rest.length > 0) {
      const { readable, unreadable } = decodeUpTo(rest)
      if (readable.length > 0) yield* settle(owner, readable)
      const next = rest[readable.length]
      if (next === undefined || unreadable === null) return
      yield* deadLetter(owner, next, "unreadable", unreadable)
      rest = rest.slice(readable.length + 1)
    }
  })

/**
 * Commits entries as often and in such parts as {@link verdictOn} says, until each is committed or dead-lettered; then the
 * owner is in the mode that it was in before.
 */
const settle = (owner: Owner, entries: ReadonlyArray<Decoded>): Effect.Effect<void, CommitError> =>
  Effect.gen(function* () {
    const { metrics, mode } = owner
    const before = mode.now
    const pause = yield* Schedule.toStepWithSleep(whileUnavailable)
    let attempts = 1
    while (true) {
      const exit = yield* Effect.exit(commit(owner, entries))
      if (Exit.isSuccess(exit)) return yield* mode.enter(before)
      const verdict = verdictOn(exit.cause, { entries: entries.length, attempts })
      switch (verdict.kind) {
        case "stopped":
        case "fenced":
          return yield* Effect.failCause(exit.cause)
        case "wait":
          yield* excuse(owner)
          count(metrics, { kind: "waited", store: verdict.error.store })
          yield* mode.enter("waiting", verdict.error)
          // It would fail when its schedule has ended, which this one does not.
          yield* Effect.ignore(pause(verdict.error))
          break
        case "halve": {
          yield* mode.enter("isolating")
          const half = entries.length >> 1
          yield* settle(owner, entries.slice(0, half))
          yield* settle(owner, entries.slice(half))
          return yield* mode.enter(before)
        }
        case "retry":
          yield* mode.enter("isolating")
          attempts++
          break
        case "dead-letter":
          for (const { streamId: id, payload } of entries)
            yield* deadLetter(owner, { id, payload }, "rejected", verdict.reason)
          return yield* mode.enter(before)
      }
    }
  })

/** Takes the noted try back: should this process be stopped while a store keeps it waiting, no entry is to blame. */
const excuse = (owner: Owner): Effect.Effect<void, Fenced> =>
  Effect.suspend(() => {
    const { noted } = owner
    if (noted === null) return Effect.void
    owner.noted = null
    return owner.log.noteTry(owner.epoch, noted.from, noted.to, -1).pipe(
      Effect.asVoid,
      // A Redis that cannot note it leaves the entries suspected, which costs the next owner a few more tries.
      Effect.catchTag("StoreError", () => Effect.void),
    )
  })
