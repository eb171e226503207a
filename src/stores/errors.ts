/** How the two stores fail, decided once: everything else asks these errors, never a driver's. */
import { TaggedError } from "effect/Data"

/**
 * A store did not answer as it should. `unavailable` tells that another try may succeed without any change (connection
 * lost, restart, out of space, deadlock); otherwise the request itself is what the store cannot take.
 */
export class StoreError extends TaggedError("StoreError")<{
  readonly store: "redis" | "postgres"
  readonly operation: string
  readonly unavailable: boolean
  /** SQLSTATE, Redis error word, or Node's error code. */
  readonly code: string
  readonly message: string
}> {}

/** This actor no longer owns its partition: a later epoch does, or its lease has ended. */
export class Fenced extends TaggedError("Fenced")<{
  readonly partition: number
  readonly message: string
}> {}
