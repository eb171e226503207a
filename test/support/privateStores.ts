/** A Redis or PostgreSQL for one test alone, which may kill, stop or starve it. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  embeddedPostgres,
  embeddedRedis,
  type RedisOptions,
  type RunningStore,
} from "../../src/embedded/index.ts"
import { isAlive } from "../../src/embedded/process.ts"
import { testScope } from "./effects.ts"
import { fromTemplate } from "./postgresTemplate.ts"
import { temporaryFolder } from "./temporaryFolder.ts"

export interface PrivateStore {
  readonly url: string
  readonly port: number
  readonly pid: () => number
  /** Ends the process as a power failure would. It is started again on the same port, with its data, within a second or two. */
  readonly kill: () => void
  /** Makes it hang: connections stay open and nothing answers, until `resume`. */
  readonly pause: () => void
  readonly resume: () => void
  /** Ends it for good. */
  readonly stop: () => Promise<void>
}

/** Started now, stopped after the test. */
export const privateRedis = (options: Partial<RedisOptions> = {}): Promise<PrivateStore> =>
  started(
    embeddedRedis({
      dataDir: temporaryFolder(),
      fsync: "everysec",
      maxMemoryBytes: 512 * 1024 * 1024,
      ...options,
    }),
  )

/** Started now, stopped after the test. */
export const privatePostgres = (): Promise<PrivateStore> =>
  started(embeddedPostgres({ dataDir: fromTemplate(temporaryFolder()) }))

const started = async <E>(store: Effect.Effect<RunningStore, E, Scope.Scope>): Promise<PrivateStore> => {
  const scope = testScope()
  const running = await scope.run(store)
  return {
    ...running,
    kill: () => {
      // It may have ended since an earlier kill, and not have been started again yet.
      if (isAlive(running.pid())) process.kill(running.pid(), "SIGKILL")
    },
    pause: () => process.kill(running.pid(), "SIGSTOP"),
    resume: () => process.kill(running.pid(), "SIGCONT"),
    stop: scope.close,
  }
}
