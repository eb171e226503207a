/** Answers within a time. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Option from "effect/Option"

/**
 * Between two steps of what finishes the one in hand: ends here if nobody waits for it any more. Whatever is made for the next question
 * waits its turn, and must not wait for all that this one wanted.
 */
export const whereItMayEnd: Effect.Effect<void> = Effect.interruptible(Effect.yieldNow)

/**
 * What an effect gives within some milliseconds, or nothing. Then it is interrupted, and nobody waits until that has come to pass: files
 * that are being made are finished first, so that whoever asks again has them.
 */
export const withinDeadline =
  (milliseconds: number) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<Option.Option<A>, E> =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkDetach(effect)
      const found = yield* Effect.timeoutOption(Fiber.join(fiber), milliseconds)
      if (found._tag === "None") yield* Effect.forkDetach(Fiber.interrupt(fiber))
      return found
    })
