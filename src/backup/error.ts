import { TaggedError } from "effect/Data"

/** A backup could not be made, is damaged, or does not fit where it is to go; `message` is a sentence with the way out. */
export class BackupError extends TaggedError("BackupError")<{ readonly message: string }> {}
