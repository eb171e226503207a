/** Why a command cannot be carried out, in one sentence. */
import { TaggedError } from "effect/Data"

export class CommandError extends TaggedError("CommandError")<{ readonly message: string }> {}
