/** The arguments of the programs beside the server. A wrong one is refused in a sentence, like a setting. */
import { type ParseArgsConfig, parseArgs } from "node:util"
import { Expected, integer, refusal } from "./values.ts"

/** A program was called wrongly. The message is a sentence for the user; the exit code should be 2. */
export class UsageError extends Error {}

/** The arguments, read by Node's `parseArgs`. Throws a {@link UsageError} for any that are not among the options. */
export const readArguments = <const T extends ParseArgsConfig>(
  config: T,
): ReturnType<typeof parseArgs<T>> => {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** The value of `--name`, a whole number. Throws a {@link UsageError} for any other text. */
export const wholeNumber = (name: string, text: string, min: number, max: number): number => {
  const value = integer(min, max)(text)
  if (value instanceof Expected) throw new UsageError(refusal(`--${name}`, text, value))
  return value
}
