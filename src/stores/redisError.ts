/** How a Redis call failed. */
import { CONNECTION, DEFECT, isDefect, StoreError } from "./errors.ts"

/**
 * Redis' error words after which the same call may succeed later (src/server.c, `createSharedObjects`, and src/cluster.c). Any
 * other word is a refusal of the call itself.
 */
const UNAVAILABLE_WORDS: ReadonlySet<string> = new Set([
  "ASK", // a slot that is being moved
  "BUSY", // a script that runs for too long
  "CLUSTERDOWN",
  "LOADING", // its data, after a start
  "MASTERDOWN",
  "MISCONF", // its disk is full
  "MOVED",
  "NOAUTH", // while an operator changes the password
  "NOREPLICAS",
  "OOM", // above maxmemory
  "READONLY", // a master that has become a replica
  "TRYAGAIN", // keys of a slot that is being moved
  "UNBLOCKED", // a master that became a replica during a blocking read
  "UNKILLABLE", // the same as BUSY, for a script that has written
  "WRONGPASS",
])

/** Refusals under the common word `ERR` that are over by themselves. */
const UNAVAILABLE_REPLIES = ["ERR max number of clients reached"]

/** What the client (ioredis) says when the connection is lost, is not there yet, or does not answer. */
const CONNECTION_MESSAGES = [
  "Cluster is disconnected",
  "Cluster is disconnecting",
  "Cluster is ended",
  "Cluster isn't ready",
  "Command aborted due to connection close",
  "Command timed out",
  "Connection is aborted",
  "Connection is closed",
  "Connection is discarded",
  "Failed to refresh slots cache",
  "No master node is available",
  "No subscriber for the cluster",
  "Node is disconnected",
  "None of startup nodes is available",
  "Reached the max retries per request limit",
  "Socket timeout",
  "Stream isn't writeable",
  "Too many Cluster redirections",
  "Unknown RESP type",
  "connect ETIMEDOUT",
]

const beginsWithAny = (message: string, beginnings: ReadonlyArray<string>): boolean =>
  beginnings.some((beginning) => message.startsWith(beginning))

/** Whether the connection is what failed: the client says so, or the system, with a code (`ECONNRESET`, …). */
const isOfConnection = (cause: unknown, message: string): boolean =>
  beginsWithAny(message, CONNECTION_MESSAGES) || (cause instanceof Error && "code" in cause)

/**
 * What a call threw, as a {@link StoreError}. The code is Redis' error word (`OOM`, `LOADING`, …), `CONNECTION`, or `DEFECT` for
 * anything else: that was thrown by our own code, or is a reply that it did not expect.
 */
export const redisError = (operation: string, cause: unknown): StoreError => {
  const message = cause instanceof Error ? cause.message : String(cause)
  const word = isDefect(cause) ? undefined : /^([A-Z][A-Z0-9]+)\b/.exec(message)?.[1]
  const isConnection = word === undefined && !isDefect(cause) && isOfConnection(cause, message)
  return new StoreError({
    store: "redis",
    operation,
    unavailable:
      isConnection ||
      (word !== undefined && UNAVAILABLE_WORDS.has(word)) ||
      beginsWithAny(message, UNAVAILABLE_REPLIES),
    code: word ?? (isConnection ? CONNECTION : DEFECT),
    message: `Redis: ${message}`,
    cause,
  })
}

/** A call to which no answer came, within a time that is not the client's. */
export const noAnswer = (operation: string, message: string): StoreError =>
  new StoreError({
    store: "redis",
    operation,
    unavailable: true,
    code: CONNECTION,
    message: `Redis: ${message}`,
  })
