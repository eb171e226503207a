/** How the two stores fail, decided once: everything else asks these errors, never a driver's. */
import { TaggedError } from "effect/Data"

/**
 * A store did not answer as it should; only the stores' drivers make one. `unavailable` tells that another try may succeed without
 * any change (connection lost, restart, out of space, deadlock); otherwise the request itself is what the store cannot take.
 */
export class StoreError extends TaggedError("StoreError")<{
  readonly store: "redis" | "postgres"
  readonly operation: string
  readonly unavailable: boolean
  /** SQLSTATE, Redis' error word, Node's error code, {@link CONNECTION} or {@link DEFECT}. */
  readonly code: string
  readonly message: string
  /** What the driver threw. */
  readonly cause?: unknown
}> {}

/** The code of an error that has no better one: the connection was lost, or did not answer. */
export const CONNECTION = "CONNECTION"
/** The code of what our own code threw in the middle of a call. */
export const DEFECT = "DEFECT"

/** Our own mistakes, which no waiting mends. */
export const isDefect = (cause: unknown): boolean =>
  cause instanceof TypeError ||
  cause instanceof RangeError ||
  cause instanceof ReferenceError ||
  cause instanceof SyntaxError

/** This actor no longer owns its partition: a later epoch does, or its lease has ended. */
export class Fenced extends TaggedError("Fenced")<{
  readonly partition: number
  readonly message: string
}> {}
