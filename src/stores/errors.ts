/** How the two stores fail, decided once: everything else asks these errors, never a driver's. */
import { Schema } from "effect"

/**
 * A store did not answer as it should. `unavailable` tells that another try may succeed without any change (connection
 * lost, restart, out of space, deadlock); otherwise the request itself is what the store cannot take.
 */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  store: Schema.Literals(["redis", "postgres"]),
  operation: Schema.String,
  unavailable: Schema.Boolean,
  /** SQLSTATE, Redis error word, or Node's error code. */
  code: Schema.String,
  message: Schema.String,
}) {}

/** This actor no longer owns its partition: a later epoch does, or its lease has ended. */
export class Fenced extends Schema.TaggedError<Fenced>()("Fenced", {
  partition: Schema.Number,
  message: Schema.String,
}) {}
