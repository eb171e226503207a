/** `dead-letters`: lists events that could not be processed, sends them through their partition again, or drops them. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { AppConfig } from "../config/settings.ts"
import { dropDeadLetter, listDeadLetters, replayDeadLetter } from "../stream/deadLetters.ts"
import { CommandError } from "./error.ts"
import { withStores } from "./stores.ts"

const openLetters = (config: AppConfig) =>
  Effect.map(withStores(config), ({ redis, metrics }) => ({
    redis,
    prefix: config.redisKeyPrefix,
    partitions: config.partitions,
    metrics,
  }))

/** A letter's partition and stream id, written as {@link listLetters} shows them. */
const parseId = (text: string): { readonly partition: number; readonly id: string } | null => {
  const match = /^(\d{1,3})\/(\d+-\d+)$/.exec(text)
  return match === null ? null : { partition: Number(match[1]), id: match[2] ?? "" }
}

const withLetter = (config: AppConfig, text: string, act: typeof replayDeadLetter, done: string) =>
  Effect.gen(function* () {
    const letter = parseId(text)
    if (letter === null || letter.partition >= config.partitions) {
      return yield* new CommandError({
        message: `${text} is not a dead letter's id: it should look like 0/1733650000000-0.`,
      })
    }
    if (!(yield* act(yield* openLetters(config), letter.partition, letter.id))) {
      return yield* new CommandError({ message: `There is no dead letter ${text}.` })
    }
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
export const replayLetters = (config: AppConfig, id: string) =>
  id === "all" ? replayAll(config) : withLetter(config, id, replayDeadLetter, "sent through again")

/** Drops the letter of this id for good. */
export const dropLetter = (config: AppConfig, id: string) => withLetter(config, id, dropDeadLetter, "dropped")
