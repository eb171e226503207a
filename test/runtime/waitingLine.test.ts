import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { expect, test } from "vitest"
import { waitingLine } from "../../src/runtime/waitingLine.ts"
import { run } from "../support/effects.ts"

test("so many things are done at a time, so many wait, and whoever finds the line full is refused", async () => {
  const done: Array<number> = []
  await run(
    Effect.gen(function* () {
      const inTurn = waitingLine({ running: 2, waiting: 2, full: "full" })
      const mayEnd = yield* Deferred.make<void>()
      const begin = (i: number) =>
        Effect.forkChild(
          inTurn(
            Effect.andThen(
              i < 2 ? Deferred.await(mayEnd) : Effect.void,
              Effect.sync(() => done.push(i)),
            ),
          ),
          { startImmediately: true },
        )
      const [first, second, third, fourth] = [
        yield* begin(0),
        yield* begin(1),
        yield* begin(2),
        yield* begin(3),
      ]
      expect(yield* Effect.flip(inTurn(Effect.void))).toBe("full")
      expect(done).toEqual([])
      // Who stops waiting leaves its place to another one.
      yield* Fiber.interrupt(third)
      const fifth = yield* begin(4)
      expect(yield* Effect.flip(inTurn(Effect.void))).toBe("full")
      yield* Deferred.succeed(mayEnd, undefined)
      for (const fiber of [first, second, fourth, fifth]) yield* Fiber.join(fiber)
      // What fails gives its place back, too.
      expect(yield* Effect.flip(inTurn(Effect.fail("failed")))).toBe("failed")
      expect(yield* inTurn(Effect.succeed(1))).toBe(1)
    }),
  )
  expect(done).toEqual([0, 1, 3, 4])
})
