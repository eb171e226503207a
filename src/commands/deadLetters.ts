/** `dead-letters`: lists events that could not be processed, sends them through their partition again, or drops them. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { LetterId } from "../config/flags.ts"
import type { AppConfig } from "../config/settings.ts"
import { dropDeadLetter, listDeadLetters, replayDeadLetter } from "../stream/deadLetters.ts"
import { CommandError } from "./error.ts"
import { withStores } from "./stores.ts"

const openLetters = (config: AppConfig) =>
  Effect.map(withStores(config, "deployment"), ({ redis, metrics }) => ({
    redis,
    prefix: config.redisKeyPrefix,
    partitions: config.partitions,
    metrics,
  }))

const withLetter = (config: AppConfig, letter: LetterId, act: typeof replayDeadLetter, done: string) =>
  Effect.gen(function* () {
    const text = `${letter.partition}/${letter.id}`
    if (
      letter.partition >= config.partitions ||
      !(yield* act(yield* openLetters(config), letter.partition, letter.id))
    )
      return yield* new CommandError({ message: `There is no dead letter ${text}.` })
    yield* Console.log(`${text}: ${done}.`)
  })

/** Prints at most `limit` letters with their reasons, each as one line of JSON or as text. */
export const listLetters = (
  config: AppConfig,
  { limit, json }: { readonly limit: number; readonly json: boolean },
) =>
  Effect.gen(function* () {
    const letters = yield* listDeadLetters(yield* openLetters(config), limit)
    for (const letter of letters) {
      yield* Console.log(
        json
          ? JSON.stringify(letter)
          : `${letter.partition}/${letter.id}  ${letter.reason}\n  ${letter.payload.replaceAll("\n", "\n  ")}`,
      )
    }
    if (!json)
      yield* Console.log(letters.length === 0 ? "There are no dead letters." : `${letters.length} shown.`)
  })

const replayAll = (config: AppConfig) =>
  Effect.gen(function* () {
    const options = yield* openLetters(config)
    let replayed = 0
    for (const letter of yield* listDeadLetters(options, Number.MAX_SAFE_INTEGER)) {
      if (yield* replayDeadLetter(options, letter.partition, letter.id)) replayed++
    }
    yield* Console.log(`${replayed} sent through again.`)
  })

/** Sends the letter of this id, or `all`, through their partitions again. */
export const replayLetters = (config: AppConfig, id: LetterId | "all") =>
  id === "all" ? replayAll(config) : withLetter(config, id, replayDeadLetter, "sent through again")

/** Drops the letter of this id for good. */
export const dropLetter = (config: AppConfig, id: LetterId) =>
  withLetter(config, id, dropDeadLetter, "dropped")
