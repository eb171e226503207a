/** Effects within tests: run without their log, in a scope that ends with the test. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { onTestFinished } from "vitest"

/** Runs an effect without its log. */
export const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, Logger.layer([])))

export interface OpenScope {
  /** Runs an effect without its log; what it acquires lives until the scope closes. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Promise<A>
  /** Closes the scope; again, it only waits for the first time. */
  readonly close: () => Promise<void>
}

/** A scope that whoever asked closes. */
export const openScope = (): OpenScope => {
  const scope = Scope.makeUnsafe()
  let closed: Promise<void> | null = null
  return {
    run: (effect) => run(Scope.provide(effect, scope)),
    close: () => {
      closed ??= run(Scope.close(scope, Exit.void))
      return closed
    },
  }
}

/** A scope that closes after the test, if not before. */
export const testScope = (): OpenScope => {
  const scope = openScope()
  onTestFinished(scope.close)
  return scope
}
