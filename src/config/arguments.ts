/** The arguments of the programs beside the server: what is wrong with one is told in a sentence, as with a setting. */
import { type ParseArgsConfig, parseArgs } from "node:util"
import { Expected, integer } from "./values.ts"

/** A program was called wrongly; the message is a sentence for whoever did, and its exit code is 2. */
export class UsageError extends Error {}

/** The arguments as `parseArgs` of Node reads them. Throws a {@link UsageError} for those that are not among the options. */
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
  if (value instanceof Expected) throw new UsageError(`--${name} is ${text}: it should be ${value.what}.`)
  return value
}
