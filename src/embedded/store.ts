/**
 * The life cycle of a store's process, the same for Redis and PostgreSQL.
 *
 *   start ──► adopt a process left by an earlier run, if it has the same settings and answers
 *        └──► else stop it, prepare the directory, spawn, wait until it answers
 *   watch ──► once a second: a process that died is started again on the same port
 *   stop  ──► ask it to exit, then insist; wait until it is gone
 *
 * The process leads a session of its own, so that the terminal's Ctrl-C reaches only this program, which then stops the
 * stores once it is done with them. If this program is killed, the stores keep running, and the next start finds them through
 * the file `<directory>.json`.
 */
import { spawn } from "node:child_process"
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { EmbeddedStoreError } from "./error.ts"
import { CHILD_UMASK, FILE_MODE, withChildUmask } from "./folder.ts"
import { freePort } from "./ports.ts"
import { startTimeOf } from "./process.ts"
import { clear, type Handle, isRunning, POLL_EVERY, readHandle, stop, writeHandle } from "./storeProcess.ts"
import type { StoreProgram } from "./storeProgram.ts"

/** A store that answers. `url` holds the password; `pid` changes when the process had to be started again. */
export interface RunningStore {
  readonly url: string
  readonly pid: () => number
  readonly port: number
}

const READY_WITHIN = "5 minutes"
const ADOPTED_WITHIN = "10 seconds"
const WATCH_EVERY = "1 second"
const LOG_BYTES = 10 * 1024 * 1024

/** Runs a store until the scope closes. The caller holds the lock of the data directory (`lockDataDir`). */
export const runStore = (
  program: StoreProgram,
): Effect.Effect<Omit<RunningStore, "url">, EmbeddedStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const handle: { current: Handle | undefined } = { current: undefined }
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => (handle.current === undefined ? Effect.void : stop(program, handle.current))),
    )
    handle.current = yield* adopt(program)
    if (handle.current === undefined) yield* start(program, handle, undefined)
    yield* watch(program, handle).pipe(Effect.forkScoped)
    return {
      port: current(handle).port,
      pid: () => current(handle).pid,
    }
  })

const current = (handle: { readonly current: Handle | undefined }): Handle => {
  if (handle.current === undefined) throw new Error("the store has not been started")
  return handle.current
}

/** The process that an earlier run left behind, if it can be used as it is; otherwise it is stopped. */
const adopt = (program: StoreProgram): Effect.Effect<Handle | undefined, EmbeddedStoreError> =>
  Effect.gen(function* () {
    const left = readHandle(program)
    if (left === undefined || !isRunning(program, left)) return undefined
    const sameSettings = left.settings === settingsOf(program, left.port)
    const usable =
      sameSettings && (yield* answers(program, left, ADOPTED_WITHIN).pipe(Effect.result))._tag === "Success"
    if (usable) {
      yield* Effect.logDebug(`${program.store}: adopted process ${left.pid}, left by an earlier run`)
      return left
    }
    yield* stop(program, left)
    return undefined
  })

/**
 * Starts the process on `port`, or else on the port of the last run if that is free, or on any free one. A start that failed is
 * tried once more, after what can be mended has been: on another port unless one was asked for, because such a port may be taken
 * by another program between the choice and the start.
 */
const start = (
  program: StoreProgram,
  handle: { current: Handle | undefined },
  port: number | undefined,
): Effect.Effect<void, EmbeddedStoreError> => {
  const startOn = (preferred: number | undefined) =>
    Effect.gen(function* () {
      const chosen = port ?? (yield* Effect.promise(() => freePort(preferred)))
      yield* clear(program)
      yield* program.prepare
      const started = yield* launch(program, handle, chosen)
      yield* answers(program, started, READY_WITHIN).pipe(Effect.tapError(() => stop(program, started)))
    })
  return startOn(readHandle(program)?.port).pipe(
    asFailures(program),
    Effect.catch(() => Effect.andThen(program.mend, startOn(undefined)).pipe(asFailures(program))),
  )
}

/** A folder that cannot be written, a full disk: expected failures of a start, too. */
const asFailures =
  (program: StoreProgram) =>
  <A>(effect: Effect.Effect<A, EmbeddedStoreError>): Effect.Effect<A, EmbeddedStoreError> =>
    Effect.catchDefect(effect, (defect) =>
      Effect.fail(failure(program, defect instanceof Error ? defect.message : String(defect))),
    )

const launch = (
  program: StoreProgram,
  handle: { current: Handle | undefined },
  port: number,
): Effect.Effect<Handle, EmbeddedStoreError> =>
  Effect.callback((resume) => {
    const { file, args, ...options } = program.command(port)
    const log = openLog(logFileOf(program))
    const child = withChildUmask(() =>
      spawn(file, args, {
        ...options,
        detached: true,
        stdio: ["ignore", log, log],
        env: { ...commonEnvironment(), ...program.environment() },
      }),
    )
    closeSync(log)
    child.unref()
    child.once("error", (cause) =>
      resume(Effect.fail(failure(program, `${file} could not be run: ${cause.message}`))),
    )
    if (child.pid === undefined) return
    const { pid } = child
    // Noted before anything can interrupt, so that the process is stopped with the scope or found by the next start.
    handle.current = { pid, startedAt: startTimeOf(pid), port, settings: settingsOf(program, port) }
    writeHandle(program, handle.current)
    resume(Effect.succeed(handle.current))
  })

/** Only what the stores need: this program's settings are none of their business, and PG* variables would change theirs. */
const commonEnvironment = (): NodeJS.ProcessEnv => ({ PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" })

/** Waits until the store answers, and fails as soon as its process has ended. */
const answers = (
  program: StoreProgram,
  handle: Handle,
  within: typeof READY_WITHIN | typeof ADOPTED_WITHIN,
): Effect.Effect<void, EmbeddedStoreError> => {
  let lastReason = "it did not answer"
  const attempt = Effect.tryPromise({
    try: () => program.probe(handle.port),
    catch: (cause) => {
      lastReason = cause instanceof Error ? cause.message : String(cause)
      return isRunning(program, handle)
        ? ("not yet" as const)
        : failure(program, `its process ${handle.pid} ended during the start`)
    },
  })
  return attempt.pipe(
    Effect.retry({ schedule: Schedule.spaced(POLL_EVERY), while: (error) => error === "not yet" }),
    Effect.catch((error) => (error === "not yet" ? Effect.never : Effect.fail(error))),
    Effect.timeoutOrElse({
      duration: within,
      orElse: () => Effect.fail(failure(program, `it was not ready within ${within}: ${lastReason}`)),
    }),
  )
}

/** Restarts a process that died, on the port that everybody knows; retries for ever, less and less often. */
const watch = (program: StoreProgram, handle: { current: Handle | undefined }): Effect.Effect<never> =>
  Effect.gen(function* () {
    if (isRunning(program, current(handle))) return
    const { pid, port } = current(handle)
    yield* Effect.logWarning(`${program.store}: process ${pid} is gone, restarting it\n${logTail(program)}`)
    yield* start(program, handle, port).pipe(
      Effect.tapError((error) => Effect.logError(error.message)),
      Effect.retry(Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("10 seconds")])),
    )
    yield* Effect.logInfo(`${program.store}: running again as process ${current(handle).pid}`)
  }).pipe(Effect.orDie, Effect.repeat(Schedule.spaced(WATCH_EVERY)), Effect.andThen(Effect.never))

const logFileOf = (program: StoreProgram): string => `${program.directory}.log`

const settingsOf = (program: StoreProgram, port: number): string =>
  JSON.stringify({ ...program.command(port), umask: CHILD_UMASK })

const openLog = (path: string): number => {
  try {
    if (statSync(path).size > LOG_BYTES) renameSync(path, `${path}.1`)
  } catch {
    // There is none at the first start.
  }
  return openSync(path, "a", FILE_MODE)
}

/** The failure of a store, with what it last wrote to its log. */
export const failure = (
  program: Pick<StoreProgram, "store" | "directory">,
  what: string,
): EmbeddedStoreError =>
  new EmbeddedStoreError({
    store: program.store,
    message: `The embedded ${program.store} did not start: ${what}.\n${logTail(program)}`,
  })

const logTail = (program: Pick<StoreProgram, "directory">): string => {
  const path = `${program.directory}.log`
  try {
    const lines = readFileSync(path, "utf8").trimEnd().split("\n").slice(-8)
    return `Its log ${path} ends with:\n${lines.map((line) => `  ${line}`).join("\n")}`
  } catch {
    return `Its log would be ${path}.`
  }
}

/** Removes a file or folder that an interrupted start may have left behind. */
export const discard = (path: string): void => rmSync(path, { recursive: true, force: true })
