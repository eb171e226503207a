/** In a thread beside the main one: runs what it is there for, reports its metrics, and ends when it is told to. */
import { parentPort } from "node:worker_threads"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Registry } from "prom-client"
import type { AppConfig } from "../../config/settings.ts"
import { giveBackWhenIdle } from "../idleMemory.ts"
import { loggingLayer } from "../logging.ts"
import type { FromThread, ToThread } from "./messages.ts"

/** Milliseconds between two reports that none has asked for: what a scrape lags behind at most when the thread is busy. */
const REPORT_MS = 1000

/** What a thread's work may do with its thread. */
export interface Inside<Said> {
  /** Sends a message of its own to the main thread. */
  readonly say: (message: Said) => void
  /** Stops the thread for a fault; the main one starts another. */
  readonly fail: (reason: string) => void
}

export interface InsideOptions<Told, Said> {
  readonly registry: Registry
  readonly logLevel: AppConfig["logLevel"]
  /** Runs until it is interrupted, which is how the thread is stopped. */
  readonly run: (inside: Inside<Said>) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** Takes what the main thread says to threads of this kind. */
  readonly onTold?: (message: Told) => void
}

/** Runs a thread's work; the thread ends with it. */
export const runInside = <Told = never, Said = never>({
  registry,
  logLevel,
  run,
  onTold,
}: InsideOptions<Told, Said>): void => {
  if (parentPort === null) throw new Error("This module runs in a worker thread only.")
  const port = parentPort
  const send = (message: FromThread<Said>) => port.postMessage(message)

  let fault: string | null = null
  const stop = () => void Effect.runFork(Fiber.interrupt(fiber))
  const work = run({
    say: (own) => send({ type: "own", own }),
    fail: (reason) => {
      fault ??= reason
      stop()
    },
  })
  const fiber = Effect.runFork(
    Effect.andThen(giveBackWhenIdle, work).pipe(Effect.scoped, Effect.provide(loggingLayer(logLevel))),
  )

  const report = async (request: number | null): Promise<void> =>
    send({ type: "metrics", request, json: await registry.getMetricsAsJSON() })

  setInterval(() => void report(null), REPORT_MS).unref()

  port.on("message", (message: ToThread<Told>) => {
    if (message.type === "stop") stop()
    else if (message.type === "metrics") void report(message.request)
    else onTold?.(message.own)
  })

  fiber.addObserver(async (exit) => {
    await report(null)
    const failed = Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)
    send({ type: "ended", failure: failed ? Cause.pretty(exit.cause) : fault })
    port.close()
  })
}
