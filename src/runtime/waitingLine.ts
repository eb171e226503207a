/** A line before what can do a few things at a time: whoever finds it full is refused, so that nobody waits for long, nor for nothing. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"

/** How many things are done at the same time, and how many may wait for that. */
export interface LineOptions<E> {
  readonly running: number
  readonly waiting: number
  /** What whoever finds the line full fails with. */
  readonly full: E
}

/** Returns what has a thing wait for its turn; who stops waiting leaves the line. */
export const waitingLine = <E>({ running, waiting, full }: LineOptions<E>) => {
  const line = Semaphore.makeUnsafe(running + waiting)
  const places = Semaphore.makeUnsafe(running)
  return <A, E1, R>(thing: Effect.Effect<A, E1, R>): Effect.Effect<A, E | E1, R> =>
    Effect.flatMap(line.withPermitsIfAvailable(1)(places.withPermits(1)(thing)), (done) =>
      Option.isSome(done) ? Effect.succeed(done.value) : Effect.fail(full),
    )
}
