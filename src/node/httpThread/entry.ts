/** In a thread that takes requests beside the main one: its entry. It appends with a connection of its own. */
import { workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import { Calendar } from "../../domain/period.ts"
import { Metrics } from "../../metrics/metrics.ts"
import { makeVisitorKeys } from "../../privacy/dayKeys.ts"
import { syncLog } from "../../runtime/logging.ts"
import { type Inside, runInside } from "../../runtime/thread/inside.ts"
import { startThreadServer } from "../../server/threadServer.ts"
import type { Asked, Told } from "../../server/threads/messages.ts"
import { SharedPlaces } from "../../server/threads/sharedPlaces.ts"
import { SharedWindows } from "../../server/threads/sharedWindows.ts"
import { logFault, stackOf } from "../../stores/faults.ts"
import { awaitReady, connectRedis } from "../../stores/redis.ts"
import { makeAppender } from "../../stream/appender.ts"
import type { ThreadData } from "./parent.ts"

const { config, stores, localWriteKey, windows, places, thread }: ThreadData = workerData
const metrics = new Metrics(config.metricsPrefix, `http-${thread}`)
const log = syncLog(config.logLevel)
let onTold: (message: Told) => void = () => {}

const serve = ({ say, fail }: Inside<Asked>) =>
  Effect.gen(function* () {
    const redis = yield* connectRedis(stores.redis, "append", "append")
    yield* awaitReady(redis)
    const shared = { redis, prefix: config.redisKeyPrefix, metrics, now: Date.now }
    const visitorKeys = yield* makeVisitorKeys({ ...shared, calendar: new Calendar(config.timeZone) })
    const appender = makeAppender(config, redis, metrics, log)
    const answered = yield* startThreadServer(
      config,
      { appender, visitorKeys },
      metrics,
      {
        now: Date.now,
        localWriteKey,
        windows: new SharedWindows(windows, thread),
        places: new SharedPlaces(config, places, thread),
        onFault: logFault(log),
      },
      say,
    )
    let fault = ""
    onTold = (message) => {
      if (message.type === "unlisted") fail(fault)
      else answered(message)
    }
    // What it has begun is answered, but for what the fault has broken; the main thread must not send it more connections.
    process.on("uncaughtException", (cause) => {
      fault = stackOf(cause)
      say({ type: "failing" })
    })
    return yield* Effect.never
  })

runInside<Told, Asked>({
  registry: metrics.registry,
  logLevel: config.logLevel,
  run: serve,
  onTold: (message) => onTold(message),
})
