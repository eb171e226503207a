/** A program to be killed: holds the data directory of its argument, runs both stores, says so, and runs until then. */
import * as Effect from "effect/Effect"
import { embeddedPostgres, embeddedRedis, lockDataDir } from "../../src/embedded/index.ts"

const dataDir = process.argv[2] ?? ""

await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      yield* lockDataDir(dataDir)
      const [redis, postgres] = yield* Effect.all(
        [embeddedRedis({ dataDir, fsync: "everysec" }), embeddedPostgres({ dataDir })],
        { concurrency: "unbounded" },
      )
      const pids = { redis: redis.pid(), postgres: postgres.pid() }
      console.log(JSON.stringify({ redis: redis.url, postgres: postgres.url, pids }))
      yield* Effect.never
    }),
  ),
)
