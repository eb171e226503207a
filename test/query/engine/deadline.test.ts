import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { expect, test } from "vitest"
import { withinDeadline } from "../../../src/query/engine/deadline.ts"
import { run } from "../../support/effects.ts"

test("whoever asks is told in time, and what was begun is finished", async () => {
  const finish = Deferred.makeUnsafe<void>()
  const finished = Deferred.makeUnsafe<string>()
  const making = Effect.uninterruptible(
    Effect.andThen(Deferred.await(finish), Deferred.succeed(finished, "a file")),
  )
  expect(Option.isNone(await run(withinDeadline(1)(making)))).toBe(true)
  Deferred.doneUnsafe(finish, Effect.void)
  expect(await run(Deferred.await(finished))).toBe("a file")
  expect(await run(withinDeadline(60_000)(Effect.succeed(1)))).toEqual(Option.some(1))
  expect(await run(Effect.flip(withinDeadline(60_000)(Effect.fail("no"))))).toBe("no")
})
