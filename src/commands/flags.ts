/** Flags and arguments as the command line takes them, and wrong ones in a sentence. */

import { Argument, CliError, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import { FLAGS, type ValueFlag } from "../config/flags.ts"
import { Expected, refusal } from "../config/values.ts"

/** The value of a text by the rule of its flag. */
const decode =
  <A>({ name: option, parse }: ValueFlag<A>, kind: "flag" | "argument") =>
  (value: string): Effect.Effect<A, CliError.InvalidValue> => {
    const decoded = parse(value)
    return decoded instanceof Expected
      ? Effect.fail(new CliError.InvalidValue({ option, value, expected: decoded.what, kind }))
      : Effect.succeed(decoded)
  }

/** A flag that takes a value; `doc` where it means something else for this command. */
export const valueFlag = <A>(flag: ValueFlag<A>, doc = flag.doc) =>
  Flag.String(flag.name).pipe(
    Flag.withMetavar(flag.metavar),
    Flag.withDescription(doc),
    Flag.mapEffect(decode(flag, "flag")),
  )

/** An argument that has to be given. */
export const valueArgument = <A>(flag: ValueFlag<A>) =>
  Argument.String(flag.name).pipe(
    Argument.withDescription(flag.doc),
    Argument.mapEffect(decode(flag, "argument")),
  )

/** An argument that may be left out. */
export const optionalArgument = <A>(flag: ValueFlag<A>) => Argument.optional(valueArgument(flag))

/** A flag that is given or not. */
export const yesFlag = (name: string, doc: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(doc), Flag.withDefault(false))

/** A flag of which it matters whether it is given at all. */
export const maybeFlag = (name: string, doc: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(doc), Flag.optional)

const asWritten = ({ option, kind }: CliError.InvalidValue): string =>
  kind === "flag" ? `--${option}` : option

const isSecret = ({ option }: CliError.InvalidValue): boolean =>
  Object.values(FLAGS).some((flag) => flag.name === option && "secret" in flag)

/** The library's words for a flag that is given or not list every spelling. */
const expected = (error: CliError.InvalidValue): string =>
  error.expected.startsWith('Expected "true"') ? "true or false" : error.expected

const orRather = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "." : `: did you mean ${suggestions.join(" or ")}?`

/** What is wrong with the arguments of a command, in a sentence. */
const sentence = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "InvalidValue":
      return refusal(asWritten(error), error.value, new Expected(expected(error)), isSecret(error))
    case "UnrecognizedOption":
      return `There is no flag ${error.option}${orRather(error.suggestions)}`
    case "UnknownSubcommand":
      return `There is no command ${error.subcommand}${orRather(error.suggestions)}`
    case "MissingArgument":
      return `The argument ${error.argument} is missing.`
    default:
      return `${error.message.replace(/\.$/, "")}.`
  }
}

/** What is wrong with the arguments, a line each, and where it says what is right. */
export const usage = ({ commandPath, errors }: CliError.ShowHelp): string => {
  const path = commandPath.slice(1).join(" ")
  const help = `See npm start -- ${path === "" ? "" : `${path} `}--help.`
  return errors.length === 0
    ? `A command is missing after ${path}. ${help}`
    : [...errors.map(sentence), help].join("\n")
}
