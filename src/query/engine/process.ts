/**
 * In the node: keeps the query engine, a process of its own. The first question starts it, or whoever is about to ask, and it is ended
 * when nobody has asked for a while. Whatever happens to it costs the questions that it has, and nothing else.
 */
import { type ChildProcess, fork } from "node:child_process"
import { join } from "node:path"
import * as Cause from "effect/Cause"
import { TaggedError } from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Calendar } from "../../domain/period.ts"
import { waitingLine } from "../../runtime/waitingLine.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { removeGoneParts } from "./goneParts.ts"
import { joined } from "./joined.ts"
import { hasFiles, removeOutdated } from "./keptFiles.ts"
import {
  type EngineAnswer,
  type EngineFailure,
  type EngineStart,
  type FromEngine,
  QUERY_FOLDER,
  type Question,
  type ToEngine,
} from "./messages.ts"
import { NodeFolder, TOUCHED_EVERY_MS } from "./nodeFolder.ts"
import { siteDays } from "./siteDays.ts"

/** Questions that are answered at the same time, and those that may wait for that. */
const MAX_RUNNING = 4
const MAX_WAITING = 32

/** The engine ends its questions itself after 10 seconds; one that does not is ended with them, milliseconds. */
const MAX_ANSWER_MS = 20_000
/** Before them, what its start may take on the slowest of machines: no question's time passes while there is no engine yet. */
const MAX_START_MS = 60_000

/** How long the process may take to end, before it is killed, and what a stop waits for it then, milliseconds. */
const [END_MS, KILLED_MS] = [2000, 1000] as const

/** A question that got no answer: `busy`, when too many are waiting. */
export class QueryRefused extends TaggedError("QueryRefused")<{
  readonly failure: EngineFailure | "busy"
  readonly message: string
}> {}

export interface QueryEngine {
  /** Answers a question; equal ones that are asked at the same time have one answer. */
  readonly ask: (query: Question) => Effect.Effect<EngineAnswer, QueryRefused>
  /** Starts the engine for questions that are about to come; it ends after a while when none does. */
  readonly prepare: Effect.Effect<void>
}

type Answering = Deferred.Deferred<EngineAnswer, QueryRefused>

export interface EngineProcessOptions extends Omit<EngineStart, "type" | "folder"> {
  /** Milliseconds without a question after which the process is ended. */
  readonly idleMs: number
  readonly postgres: Postgres
}

interface RunningOptions {
  readonly start: EngineStart
  /** Called when it is not to be asked any more, though it may not have ended yet. */
  readonly onLost: () => void
  /** Called when it has ended. */
  readonly onEnded: () => void
}

/** The process, while it runs, and the questions that it has. */
class Running {
  readonly child: ChildProcess
  readonly #asked = new Map<number, Answering>()
  readonly #ready: Deferred.Deferred<void> = Deferred.makeUnsafe()
  readonly #onLost: () => void
  #next = 0

  constructor({ start, onLost, onEnded }: RunningOptions) {
    this.#onLost = onLost
    this.child = fork(new URL("./entry.ts", import.meta.url), { serialization: "advanced" })
    this.child.on("message", (message: FromEngine) => this.#said(message))
    this.child.once("exit", (code, signal) => {
      onLost()
      onEnded()
      this.#refuseAll(`the query engine ended (${signal ?? `exit code ${code}`})`)
    })
    // It could not be started, or not be told something: it ends, too.
    this.child.on("error", (error) => {
      onLost()
      if (this.child.pid === undefined) onEnded()
      else this.child.kill("SIGKILL")
      this.#refuseAll(`the query engine cannot be used: ${error.message}`)
    })
    this.#tell(start)
  }

  get isAsked(): boolean {
    return this.#asked.size > 0
  }

  #tell(message: ToEngine) {
    if (this.child.connected) this.child.send(message)
  }

  #refuseAll(message: string) {
    for (const answering of this.#asked.values())
      Deferred.doneUnsafe(answering, Effect.fail(new QueryRefused({ failure: "failed", message })))
    this.#asked.clear()
  }

  #said(message: FromEngine) {
    if (message.type === "ready") return Deferred.doneUnsafe(this.#ready, Effect.void)
    const answering = this.#asked.get(message.id)
    if (answering === undefined) return
    this.#asked.delete(message.id)
    Deferred.doneUnsafe(
      answering,
      message.type === "answered"
        ? Effect.succeed(message.answer)
        : Effect.fail(new QueryRefused({ failure: message.failure, message: message.reason })),
    )
  }

  ask(query: Question): Effect.Effect<EngineAnswer, QueryRefused> {
    return Effect.suspend(() => {
      const answering: Answering = Deferred.makeUnsafe()
      const id = this.#next++
      this.#asked.set(id, answering)
      this.#tell({ type: "ask", id, query })
      return Deferred.await(answering).pipe(
        Effect.raceFirst(this.#hangs),
        Effect.ensuring(Effect.sync(() => this.#asked.delete(id))),
      )
    })
  }

  /** Fails, and kills the process, once it has not answered for too long. */
  readonly #hangs = Effect.suspend(() =>
    Deferred.await(this.#ready).pipe(
      Effect.timeoutOption(MAX_START_MS),
      Effect.andThen(Effect.sleep(MAX_ANSWER_MS)),
      Effect.andThen(
        Effect.suspend(() => {
          // Who asks from now on has another one: this one's end may be seen late.
          this.#onLost()
          this.child.kill("SIGKILL")
          return Effect.fail(
            new QueryRefused({ failure: "deadline", message: "the query engine did not answer" }),
          )
        }),
      ),
    ),
  )

  /** Has it take out of its files what has gone. */
  look(): void {
    this.#tell({ type: "look" })
  }

  /** Resolves when the process has ended; it is killed when it does not by itself. */
  end(): Promise<void> {
    return new Promise((resolve) => {
      if (this.child.exitCode !== null || this.child.signalCode !== null) return resolve()
      const killed = setTimeout(() => this.child.kill("SIGKILL"), END_MS).unref()
      this.child.once("exit", () => {
        clearTimeout(killed)
        resolve()
      })
      if (this.child.connected) this.child.disconnect()
      else this.child.kill()
    })
  }
}

/** How often files are looked through, whoever asks. */
const LOOK_EVERY = "1 minute"

/**
 * The process when there is one, started for the first question and ended after the last. Its files hold raw events: what is erased or has
 * expired outlives neither the next question nor the next look through them, which is taken once a minute.
 */
class Engine {
  readonly #options: EngineProcessOptions
  readonly #folder: NodeFolder
  #running: Running | null = null
  #idle: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(options: EngineProcessOptions) {
    this.#options = options
    this.#folder = new NodeFolder(join(options.config.dataDir, QUERY_FOLDER))
  }

  #current(): Running {
    clearTimeout(this.#idle)
    if (this.#running !== null) return this.#running
    const folder = this.#folder.forEngine()
    const { config, stores } = this.#options
    const started = new Running({
      start: { type: "start", config, stores, folder },
      onLost: () => {
        if (this.#running === started) this.#running = null
      },
      onEnded: () => this.#folder.keep(folder),
    })
    this.#running = started
    return started
  }

  /** Says that this node has its folder, and removes those that nobody has. An engine whose folder was removed is of no use. */
  readonly live = Effect.suspend(() => {
    const running = this.#running
    if (!this.#folder.touch() && running !== null) {
      this.#running = null
      void running.end()
    }
    return this.#folder.removeOthers
  })

  /** Has taken from the files what has gone: by the engine, and from those that are kept while there is none. */
  readonly look = Effect.gen({ self: this }, function* () {
    this.#running?.look()
    const { postgres, config } = this.#options
    const { kept } = this.#folder
    if (kept === null || !(yield* hasFiles(kept))) return
    const calendar = new Calendar(config.timeZone)
    const days = yield* siteDays(postgres, calendar)
    yield* removeGoneParts(kept, days, postgres, calendar)
    yield* removeOutdated(kept, days, config.queryCache)
  })

  readonly #rest = Effect.sync(() => {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      const running = this.#running
      if (running === null || running.isAsked) return
      // Who asks from now on has another one.
      this.#running = null
      void running.end()
    }, this.#options.idleMs)
    this.#idle.unref()
  })

  ask(query: Question): Effect.Effect<EngineAnswer, QueryRefused> {
    const running = Effect.try({ try: () => this.#current(), catch: notStarted })
    const answered = Effect.flatMap(running, (engine) => engine.ask(query)).pipe(
      Effect.tapError(({ failure, message }) =>
        failure === "failed"
          ? Effect.annotateLogs(Effect.logError("a question was not answered"), { reason: message })
          : Effect.void,
      ),
      Effect.ensuring(this.#rest),
    )
    return Effect.suspend(() => (this.#isStopped ? Effect.fail(STOPPED) : answered))
  }

  /** What was wrong with it, the question says that comes. */
  readonly prepare = Effect.suspend(() => {
    if (this.#isStopped) return Effect.void
    const started = Effect.try({ try: () => this.#current(), catch: notStarted })
    return Effect.ensuring(Effect.ignore(started), this.#rest)
  })

  /** Ends the process, and leaves its files to the next node. A question that waited for its turn must not start another. */
  readonly stop = Effect.suspend(() => {
    this.#isStopped = true
    return Effect.ensuring(
      this.#end,
      Effect.sync(() => this.#folder.leave()),
    )
  })

  readonly #end = Effect.suspend(() => {
    clearTimeout(this.#idle)
    const running = this.#running
    if (running === null) return Effect.void
    // Its files are kept when it is gone.
    const ended = Effect.promise(() => running.end())
    return Effect.asVoid(Effect.timeoutOption(ended, END_MS + KILLED_MS))
  })
}

const STOPPED = new QueryRefused({ failure: "failed", message: "the node is stopping" })

/** Its folder could not be made, say. */
const notStarted = (cause: unknown) =>
  new QueryRefused({
    failure: "failed",
    message: `the query engine cannot be started: ${cause instanceof Error ? cause.message : String(cause)}`,
  })

const BUSY = new QueryRefused({ failure: "busy", message: "too many questions are being answered" })

/** The next try may succeed, whatever was wrong with this one. */
const orLogged = <E>(look: Effect.Effect<void, E>): Effect.Effect<void> =>
  Effect.catchCause(look, (cause) =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.interrupt
      : Effect.logWarning("files of questions were not looked through", cause),
  )

/** Keeps the engine until the scope ends. */
export const queryEngine = (options: EngineProcessOptions): Effect.Effect<QueryEngine, never, Scope.Scope> =>
  Effect.gen(function* () {
    const engine = new Engine(options)
    yield* Effect.addFinalizer(() => engine.stop)
    yield* Effect.forkScoped(Effect.repeat(orLogged(engine.look), Schedule.spaced(LOOK_EVERY)))
    yield* Effect.forkScoped(Effect.repeat(orLogged(engine.live), Schedule.spaced(TOUCHED_EVERY_MS)))
    const inTurn = waitingLine({ running: MAX_RUNNING, waiting: MAX_WAITING, full: BUSY })
    return { ask: joined((query) => inTurn(engine.ask(query))), prepare: engine.prepare }
  })
