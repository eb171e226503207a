/** In the query engine's process: its entry. It ends with the node that has started it, with its folder, or when it is told to. */
import { existsSync } from "node:fs"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { Calendar } from "../../domain/period.ts"
import { Metrics } from "../../metrics/metrics.ts"
import type { StoreError } from "../../stores/errors.ts"
import { makePostgres, type Postgres } from "../../stores/postgres.ts"
import type { Query } from "../language/index.ts"
import { type DatabaseError, type NoRoom, openDatabase } from "./database.ts"
import { withinDeadline } from "./deadline.ts"
import { answer, lookThrough, sourcesOf } from "./engine.ts"
import type { DaysAt } from "./eventFiles.ts"
import { answerBeyond, saysWhatIsMissing } from "./expired.ts"
import { answerFunnel } from "./funnel.ts"
import { keepFiles } from "./keptFiles.ts"
import type { EngineFailure, EngineStart, FromEngine, Question, ToEngine } from "./messages.ts"
import { siteDays } from "./siteDays.ts"

/** What a question may take, its files included, milliseconds. */
const DEADLINE_MS = 10_000

/** What Node.js itself takes of the engine's memory, bytes; the rest is the database's. */
const OWN_MEMORY = 96 * 1024 * 1024

/** A node that has ended meanwhile is told nothing. */
const say = (message: FromEngine) => process.send?.(message, undefined, undefined, () => {})

/** A pattern that is none, or too large; the database's own words say what is wrong with it. */
const isInvalid = ({ message }: DatabaseError): boolean =>
  /regex|regular expression|repetition|missing \)/i.test(message)

/** SQLSTATE of a statement that took too long: what is left of the question's time would be too little for another try. */
const OUT_OF_TIME = "57014"

/** Another try may succeed: a connection was lost, a table was locked. */
const isPassing = (error: StoreError | DatabaseError | NoRoom): boolean =>
  error._tag === "StoreError" && error.unavailable && error.code !== OUT_OF_TIME

const TRIES = { times: 2, schedule: Schedule.spaced("250 millis"), while: isPassing }

const refusalOf = (
  error: StoreError | DatabaseError | NoRoom,
): { failure: EngineFailure; reason: string } => {
  const { message: reason } = error
  if (error._tag === "StoreError" && error.code === OUT_OF_TIME) return { failure: "deadline", reason }
  if (error._tag === "NoRoom") return { failure: "unavailable", reason }
  return { failure: error._tag === "DatabaseError" && isInvalid(error) ? "invalid" : "failed", reason }
}

/** Connects, and reads all days of all sites. */
const firstDays = (postgres: Postgres, calendar: Calendar): Effect.Effect<DaysAt, StoreError> =>
  Effect.gen(function* () {
    yield* postgres.query("connect", "SELECT 1")
    const at = Date.now()
    return { at, of: yield* siteDays(postgres, calendar) }
  })

const serve = ({ config, stores, folder }: EngineStart) =>
  Effect.gen(function* () {
    const metrics = new Metrics(config.metricsPrefix, "actors")
    const postgres = yield* makePostgres(
      { url: stores.databaseUrl, max: 2, name: "maicivy query engine", statementTimeoutMs: DEADLINE_MS },
      metrics,
    )
    const calendar = new Calendar(config.timeZone)
    // While the database is loaded, which takes about as long.
    const first = yield* Effect.forkScoped(firstDays(postgres, calendar), { startImmediately: true })
    const kept = keepFiles(folder)
    yield* Effect.addFinalizer(() => Effect.sync(() => keepFiles(folder)))
    const database = yield* openDatabase(folder, config.queryMemory - OWN_MEMORY, config.queryCache)
    const sources = sourcesOf({
      ...{ postgres, database, folder, calendar, now: Date.now, kept },
      ...{ maxBytes: config.queryCache, first: Fiber.join(first) },
    })
    const ask = (query: Query) => answer(query, sources)
    /** Says what a fault of the engine's own was, and returns it in short; without its folder it has none, and cannot go on. */
    const told = (cause: Cause.Cause<unknown>): string => {
      if (!existsSync(folder)) return "the folder of the query engine has gone"
      console.error(Cause.pretty(cause))
      return "a fault of the query engine"
    }
    const orTold = <E>(act: Effect.Effect<void, E>) =>
      Effect.catchCause(act, (cause) => Effect.sync(() => told(cause)))
    // Where that fails, the next engine makes them again.
    yield* Effect.addFinalizer(() => orTold(Effect.sync(() => sources.files.keep())))
    // Whoever asks next has another engine, in a folder of its own.
    const endsWithFolder = Effect.sync(() => {
      if (!existsSync(folder)) process.disconnect?.()
    })
    const reply = (id: number, query: Question) =>
      ("steps" in query
        ? answerFunnel(query, sources).pipe(saysWhatIsMissing({ postgres, calendar }, query.query))
        : answerBeyond(query, { postgres, calendar, ask })
      ).pipe(
        Effect.retry(TRIES),
        withinDeadline(DEADLINE_MS),
        Effect.map(
          (found): FromEngine =>
            found._tag === "Some"
              ? { type: "answered", id, answer: found.value }
              : {
                  type: "refused",
                  id,
                  failure: "deadline",
                  reason: `no answer within ${DEADLINE_MS / 1000} seconds`,
                },
        ),
        Effect.catch((error) => Effect.succeed<FromEngine>({ type: "refused", id, ...refusalOf(error) })),
        // A fault of the engine's own costs this question, and none of the others.
        Effect.catchCause((cause) =>
          Effect.sync((): FromEngine => ({ type: "refused", id, failure: "failed", reason: told(cause) })),
        ),
        Effect.map(say),
        Effect.andThen(endsWithFolder),
      )
    const look = Effect.andThen(orTold(lookThrough(sources)), endsWithFolder)
    process.on("message", (message: ToEngine) => {
      if (message.type === "ask") Effect.runFork(reply(message.id, message.query))
      if (message.type === "look") Effect.runFork(look)
    })
    say({ type: "ready" })
    return yield* Effect.never
  }).pipe(Effect.catchTag("NoDatabase", ({ message }) => refuseAll(message)))

/** Where there is no database, every question is told so. */
const refuseAll = (reason: string) =>
  Effect.suspend(() => {
    process.on("message", (message: ToEngine) => {
      if (message.type === "ask") say({ type: "refused", id: message.id, failure: "unavailable", reason })
    })
    say({ type: "ready" })
    return Effect.never
  })

process.once("message", (message: ToEngine) => {
  if (message.type !== "start") return
  const fiber = Effect.runFork(Effect.scoped(serve(message)))
  const end = () => Effect.runPromise(Fiber.interrupt(fiber)).then(() => process.exit(0))
  process.on("disconnect", end)
  process.on("SIGTERM", end)
  // The terminal's; the node decides what it means.
  process.on("SIGINT", () => {})
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
    console.error(Cause.pretty(exit.cause))
    process.exit(1)
  })
})
