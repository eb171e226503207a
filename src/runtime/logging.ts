/** Structured logs: one JSON object per line, on stderr. No line contains an address or a visitor's data. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import type { AppConfig } from "../config/settings.ts"

const LEVELS = { debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const

/** One log entry as a line of JSON: time, level, message and the annotations. */
const jsonLogger = Logger.make((entry) => {
  const annotations = entry.fiber.getRef(References.CurrentLogAnnotations)
  const parts = Array.isArray(entry.message) ? entry.message : [entry.message]
  const line = {
    time: entry.date.toISOString(),
    level: entry.logLevel.toLowerCase(),
    message: parts.map((part) => (typeof part === "string" ? part : String(part))).join(" "),
    ...annotations,
    ...(entry.cause.reasons.length > 0 && { cause: Cause.pretty(entry.cause) }),
  }
  process.stderr.write(`${JSON.stringify(line)}\n`)
})

/** Replaces Effect's loggers and sets the least severe level. */
export const loggingLayer = (level: AppConfig["logLevel"]): Layer.Layer<never> =>
  Layer.merge(Logger.layer([jsonLogger]), Layer.succeed(References.MinimumLogLevel, LEVELS[level]))

/** A log function for synchronous code. */
export const syncLog =
  (level: AppConfig["logLevel"]) => (message: string, annotations: Record<string, unknown>) => {
    Effect.runFork(
      Effect.logWarning(message).pipe(Effect.annotateLogs(annotations), Effect.provide(loggingLayer(level))),
    )
  }
