import { TaggedError } from "effect/Data"

/** Days could not be exported; `message` is a sentence with the way out. */
export class ExportError extends TaggedError("ExportError")<{ readonly message: string }> {}

/** What is wrong, in the words of whoever found it. */
export const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
