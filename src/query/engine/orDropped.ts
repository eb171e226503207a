/** Files from which something cannot be taken. */
import * as Effect from "effect/Effect"

/**
 * Takes out of some files what has gone. Where that fails, because the disk is full, say, whatever is in them goes: they are made again
 * when they are asked for, and nothing of an erased visitor waits for the disk to have room. Other files are not kept waiting by these.
 */
export const orDropped = <E>(taken: Effect.Effect<void, E>, drop: () => void): Effect.Effect<void> =>
  Effect.catchCause(taken, (cause) =>
    Effect.andThen(
      Effect.sync(drop),
      Effect.logWarning("files of questions could not be written again, and are removed", cause),
    ),
  )
