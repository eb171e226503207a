import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { expect, test } from "vitest"
import { joined } from "../../../src/query/engine/joined.ts"
import { run } from "../../support/effects.ts"

test("equal questions are asked once, and end with the last who waits, not with the first", async () => {
  const asked: Array<string> = []
  const ended: Array<string> = []
  const answer = Deferred.makeUnsafe<number>()
  const ask = joined((question: { readonly of: string }) =>
    Effect.suspend(() => {
      asked.push(question.of)
      return Deferred.await(answer)
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => ended.push(question.of)))),
  )
  const asking = (of: string) =>
    Effect.tap(Effect.forkChild(ask({ of }), { startImmediately: true }), () => Effect.yieldNow)
  await run(
    Effect.gen(function* () {
      const [first, second, third] = [yield* asking("a"), yield* asking("a"), yield* asking("a")]
      yield* Fiber.interrupt(first)
      yield* Fiber.interrupt(second)
      expect([asked, ended]).toEqual([["a"], []])
      const other = yield* asking("b")
      yield* Fiber.interrupt(other)
      expect([asked, ended]).toEqual([["a", "b"], ["b"]])
      yield* Deferred.succeed(answer, 7)
      expect(yield* Fiber.join(third)).toBe(7)
      expect(Exit.isFailure(yield* Fiber.await(first))).toBe(true)
      // What is asked later is asked anew.
      expect([yield* ask({ of: "a" }), yield* ask({ of: "b" })]).toEqual([7, 7])
      expect(asked).toEqual(["a", "b", "a", "b"])
    }),
  )
})
