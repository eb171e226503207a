/**
 * What a store's refusal means and what to do about it, once: the log says it beside the store's own words, `/ready` and the doctor
 * repeat it, and docs/troubleshooting.md has the table.
 */
import * as Effect from "effect/Effect"
import { CONNECTION, type StoreError } from "./errors.ts"
import { isSqlstate } from "./sqlstate.ts"

export interface Advice {
  /** What is so, for the middle of a sentence. */
  readonly meaning: string
  /** What its operator does, as a sentence. */
  readonly remedy: string
}

/** By Redis' error word, in the order of the table. */
export const REDIS_ADVICE: { readonly [word: string]: Advice } = {
  [CONNECTION]: {
    meaning: "no connection, or no answer in time",
    remedy: "Is Redis running, and can this node reach it?",
  },
  READONLY: {
    meaning: "this Redis is a replica, which takes no writes",
    remedy: "Let REDIS_URL name the master, after a failover by hand the new one.",
  },
  MISCONF: {
    meaning: "Redis cannot write to its disk",
    remedy: "Make room on the disk that Redis writes to; its own log has the reason.",
  },
  OOM: {
    meaning: "Redis has reached its maxmemory",
    remedy: "Raise maxmemory, or lower MAX_BACKLOG so that the backlog fits.",
  },
  NOREPLICAS: {
    meaning: "too few replicas have what is written (ACK_REPLICAS, or Redis' min-replicas-to-write)",
    remedy: "Start the replicas that are missing, or lower the setting.",
  },
  NOPERM: {
    meaning: "the user of REDIS_URL lacks a right",
    remedy: "Grant the command, key or channel that Redis names.",
  },
  NOAUTH: { meaning: "Redis asks for a password", remedy: "Put it, and the user, into REDIS_URL." },
  WRONGPASS: {
    meaning: "Redis refuses the user or password of REDIS_URL",
    remedy: "Correct them, with special characters percent-encoded, or put the password into REDIS_PASSWORD.",
  },
  LOADING: { meaning: "Redis is reading its data after a start", remedy: "Wait: it ends by itself." },
  MASTERDOWN: {
    meaning: "this Redis is a replica that has lost its master",
    remedy: "Bring the master back, or make the replica the master.",
  },
  CLUSTERDOWN: {
    meaning: "slots of the cluster have no master",
    remedy: "Start the missing masters or their replicas; `redis-cli --cluster check` names the slots.",
  },
  MOVED: { meaning: "the cluster has moved a slot", remedy: "Wait: the client learns where." },
  ASK: { meaning: "the cluster is moving a slot", remedy: "Wait until it has." },
  TRYAGAIN: {
    meaning: "the cluster has moved only some keys of a slot",
    remedy: "Wait until it has moved all; `redis-cli --cluster fix` ends a move that was interrupted.",
  },
  BUSY: {
    meaning: "Redis is busy with a script of somebody",
    remedy: "`SCRIPT KILL` ends one that has not written; no script of this program takes long.",
  },
  UNKILLABLE: {
    meaning: "Redis is busy with a script of somebody that has written",
    remedy: "Wait for its end, or restart Redis.",
  },
  WRONGTYPE: {
    meaning: "somebody else has written a key of this deployment",
    remedy:
      "Give this deployment a REDIS_KEY_PREFIX of its own, delete the key that the log names, and rebuild.",
  },
  FOREIGN: {
    meaning: "Redis has the events and figures of another database",
    remedy: "REDIS_URL and DATABASE_URL do not belong together: correct the wrong one.",
  },
}

/** By SQLSTATE. */
export const POSTGRES_ADVICE: { readonly [sqlstate: string]: Advice } = {
  [CONNECTION]: {
    meaning: "no connection, or no answer in time",
    remedy: "Is Postgres running, and can this node reach it?",
  },
  "25006": {
    meaning: "Postgres is read-only",
    remedy:
      "Let DATABASE_URL name the primary, or end what made it read-only: a standby, or a provider's full disk.",
  },
  "53100": {
    meaning: "Postgres' disk is full",
    remedy: "Make room: `npm start -- retention`, or a larger disk.",
  },
  "53200": { meaning: "Postgres is out of memory", remedy: "Give it more, or lower its settings." },
  "53300": {
    meaning: "Postgres has no connection left",
    remedy: "Raise max_connections, or put a pooler in between.",
  },
  "57P03": { meaning: "Postgres is starting or stopping", remedy: "Wait: it ends by itself." },
  "28P01": {
    meaning: "Postgres refuses the user or password of DATABASE_URL",
    remedy: "Correct them, with special characters percent-encoded, or put the password into PGPASSWORD.",
  },
  "3D000": { meaning: "the database of DATABASE_URL does not exist", remedy: "Create it, or restore it." },
  "42501": {
    meaning: "the user of DATABASE_URL lacks a right",
    remedy: "Grant it what Postgres names; it should own its schema.",
  },
  "42P01": {
    meaning: "a table is missing",
    remedy:
      "Does DATABASE_URL name the right database and schema? `npm start -- migrate` makes what a new one lacks.",
  },
}

const UNKNOWN: Advice = { meaning: "an error", remedy: "Its log and ours have what it said." }

type Failure = Pick<StoreError, "store" | "code">

/** Whether Postgres, which may be starting or stopping, has closed the connection: the classes 08 and 57P. */
const isClosing = (sqlstate: string): boolean => /^(08|57P)/.test(sqlstate)

/** Whether the store has answered, and refuses; otherwise it cannot be reached, or has not answered in time. */
export const hasAnswered = ({ store, code }: Failure): boolean =>
  store === "redis" ? code !== CONNECTION : isSqlstate(code) && !isClosing(code)

/** What an error means, and what to do about it. */
export const adviceOn = (error: Failure): Advice => {
  const advice = error.store === "redis" ? REDIS_ADVICE : POSTGRES_ADVICE
  return advice[error.code] ?? advice[hasAnswered(error) ? "" : CONNECTION] ?? UNKNOWN
}

/** What a log line says of a failure beside its message: the store's own words, and what to do. */
export const detailsOf = (error: StoreError) => {
  const { meaning, remedy } = adviceOn(error)
  return { store: error.store, code: error.code, reason: error.message, advice: `${meaning}: ${remedy}` }
}

/** How a log message about a failure begins. */
export const failureOf = (error: Failure): string =>
  hasAnswered(error) ? "store refuses" : "store unavailable"

/** Logs a failure, and what follows from it. */
export const logFailure = (error: StoreError, consequence: string): Effect.Effect<void> =>
  (error.unavailable ? Effect.logWarning : Effect.logError)(`${failureOf(error)}: ${consequence}`).pipe(
    Effect.annotateLogs(detailsOf(error)),
  )
