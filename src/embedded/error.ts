import * as Data from "effect/Data"

/** A store could not be installed, started or kept: `message` says what failed, what its log ends with and what to do. */
export class EmbeddedStoreError extends Data.TaggedError("EmbeddedStoreError")<{
  readonly store: "Redis" | "PostgreSQL"
  readonly message: string
}> {}
