/**
 * What happens to entries that were not processed: decided here and nowhere else, without I/O. Of the rules that apply to
 * a failed commit, the first one wins:
 *
 * | rule | applies to | verdict |
 * |---|---|---|
 * | stopped | a try that was interrupted | `stopped` |
 * | fenced | a partition that a later epoch owns | `fenced` |
 * | store | a store that is unavailable, or refuses for a reason that lies in no event | `wait` |
 * | several | a reason that lies in an event, of several entries | `halve` |
 * | attempts | the same, of one entry that has failed fewer than {@link MAX_ATTEMPTS} times | `retry` |
 * | rejected | the same, of one entry that has failed {@link MAX_ATTEMPTS} times | `dead-letter` |
 *
 * Waiting is no attempt: it lasts as long as the store takes. Two rules need no failed commit: a payload that cannot be
 * decoded is dead-lettered as `unreadable`, and one whose owners end while they process it alone as `fatal` (see
 * {@link isFatal}).
 */
import * as Cause from "effect/Cause"
import type { UnstorableEvent } from "../events/chunks/index.ts"
import type { DeadLetterReason } from "../metrics/metrics.ts"
import { DEFECT, Fenced, StoreError } from "../stores/errors.ts"
import { meaningOf } from "../stores/sqlstate.ts"

/** Attempts at an entry alone before it is dead-lettered. */
export const MAX_ATTEMPTS = 3

/** Why an entry is dead-lettered: it cannot be decoded, Postgres cannot take it, or it ends its owners. */
export type Poison = DeadLetterReason

export type Verdict =
  /** The actor ends and changes nothing more. */
  | { readonly kind: "stopped" | "fenced" }
  /** The same entries again, as soon as the store can. */
  | { readonly kind: "wait"; readonly error: StoreError }
  /** Each half on its own. */
  | { readonly kind: "halve" }
  /** The same entry again, at once. */
  | { readonly kind: "retry" }
  | { readonly kind: "dead-letter"; readonly reason: string }

/** What was tried. */
export interface Tried {
  /** Entries that were tried together. */
  readonly entries: number
  /** How often they have failed for a reason that lies in an event, this time included. */
  readonly attempts: number
}

/** How a commit fails. */
export type CommitError = Fenced | StoreError | UnstorableEvent

/** What happens to entries whose commit failed with `cause`. */
export const verdictOn = (cause: Cause.Cause<CommitError>, { entries, attempts }: Tried): Verdict => {
  if (Cause.hasInterrupts(cause)) return { kind: "stopped" }
  const error = Cause.squash(cause)
  if (error instanceof Fenced) return { kind: "fenced" }
  if (error instanceof StoreError && !liesInAnEvent(error)) return { kind: "wait", error }
  if (entries > 1) return { kind: "halve" }
  if (attempts < MAX_ATTEMPTS) return { kind: "retry" }
  return { kind: "dead-letter", reason: reasonOf(error) }
}

/**
 * Whether Postgres refused a batch because of what is in it, or our own code stumbled over an event. Anything else, be it a
 * missing grant or table, lies in no event.
 */
const liesInAnEvent = ({ store, code }: StoreError): boolean =>
  store === "postgres" && (meaningOf(code) === "event" || code === DEFECT)

const reasonOf = (error: unknown): string => {
  if (error instanceof StoreError) return `${error.code}: ${error.message}`
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

/** Entries that are about to be tried apart from the others. */
export interface Suspects {
  readonly entries: number
  /** How many owners have ended while they tried just these. */
  readonly endedOwners: number
  /** Whether Postgres has them. */
  readonly stored: boolean
}

/**
 * Whether an entry is dead-lettered rather than tried again: it stands alone, and {@link MAX_ATTEMPTS} owners have ended
 * while they processed it. What Postgres has, it had counted before they ended: as a dead letter it would be a row without
 * figures, and a second row when replayed.
 */
export const isFatal = ({ entries, endedOwners, stored }: Suspects): boolean =>
  entries === 1 && endedOwners >= MAX_ATTEMPTS && !stored
