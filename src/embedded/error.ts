import * as Data from "effect/Data"

/** A store could not be installed, started or kept running: `message` says what failed, how its log ends, and what to do. */
export class EmbeddedStoreError extends Data.TaggedError("EmbeddedStoreError")<{
  readonly store: "Redis" | "PostgreSQL"
  readonly message: string
}> {}
