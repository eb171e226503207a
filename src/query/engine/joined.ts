/** Equal questions that are asked at the same time are asked once, for as long as anybody waits for the answer. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

interface Asked<A, E> {
  readonly fiber: Fiber.Fiber<A, E>
  /** Who waits for it. */
  askers: number
}

/**
 * Asks so, with what is equal told by its JSON. Whoever is interrupted, the first one too, ends only their own wait: the question ends
 * with the last of them.
 */
export const joined = <Question, A, E>(
  ask: (question: Question) => Effect.Effect<A, E>,
): ((question: Question) => Effect.Effect<A, E>) => {
  const all = new Map<string, Asked<A, E>>()

  const begin = (key: string, question: Question): Effect.Effect<Asked<A, E>> =>
    Effect.gen(function* () {
      const ended = Effect.sync(() => {
        if (all.get(key) === asked) all.delete(key)
      })
      const fiber = yield* Effect.forkDetach(Effect.ensuring(ask(question), ended))
      const asked: Asked<A, E> = { fiber, askers: 1 }
      all.set(key, asked)
      return asked
    })

  const enter = (key: string, question: Question) =>
    Effect.suspend(() => {
      const asked = all.get(key)
      if (asked === undefined) return begin(key, question)
      asked.askers++
      return Effect.succeed(asked)
    })

  const leave = (key: string, asked: Asked<A, E>) =>
    Effect.suspend(() => {
      asked.askers--
      if (asked.askers > 0) return Effect.void
      if (all.get(key) === asked) all.delete(key)
      return Fiber.interrupt(asked.fiber)
    })

  return (question) => {
    const key = JSON.stringify(question)
    return Effect.acquireUseRelease(
      enter(key, question),
      ({ fiber }) => Fiber.join(fiber),
      (asked) => leave(key, asked),
    )
  }
}
