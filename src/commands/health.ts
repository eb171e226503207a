/** `health`: asks a node over HTTP, as a container's health check does. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { CommandError } from "./error.ts"

/** Prints what `/ready` says; fails unless the node is ready. */
export const checkHealth = (url: string) =>
  Effect.gen(function* () {
    const answer = yield* Effect.tryPromise({
      try: async () => {
        const response = await fetch(new URL("/ready", url), { signal: AbortSignal.timeout(5000) })
        return { status: response.status, body: await response.text() }
      },
      catch: (cause) =>
        new CommandError({
          message: `${url} does not answer: ${cause instanceof Error ? cause.message : String(cause)}.`,
        }),
    })
    yield* Console.log(answer.body)
    if (answer.status !== 200)
      return yield* new CommandError({ message: `${url} is not ready (${answer.status}).` })
  })
