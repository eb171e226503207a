/**
 * Sends a corpus for some time, as fast as the server accepts it and its actors keep up. The load generator is paused
 * while too many events wait, so that it measures the whole pipeline and not the room in Redis.
 */
import type { Context } from "../scenario.ts"
import { numberOf, startChild } from "../server/child.ts"
import { hasWrk, readSummary, spawnWrk } from "./closedLoop.ts"

export interface SustainedOptions {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  readonly corpusFile: string
}

/** A running load. */
export interface Load {
  readonly pid: number
  readonly pause: () => void
  readonly resume: () => void
  /** Resolves when the time is over: the last request has been sent, and nearly all are answered. */
  readonly spent: Promise<void>
  /** Resolves when the time is over and every request is answered. */
  readonly ended: Promise<Sent>
}

export interface Sent {
  readonly generator: "wrk" | "sender"
  /** The number of answered requests. */
  readonly requests: number
  /** Answers other than 2xx, and connections that failed. */
  readonly failed: number
}

/** How long wrk may wait for the last answers, milliseconds; an event without an answer counts all the same. */
const LAST_ANSWERS_MS = 300

const signals = (pid: number) => {
  const send = (signal: NodeJS.Signals) => {
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended.
    }
  }
  return { pid, pause: () => send("SIGSTOP"), resume: () => send("SIGCONT") }
}

const byWrk = (context: Context, options: SustainedOptions): Load => {
  const until = Math.ceil(Date.now() / 1000) + options.seconds
  // It is ended by a signal; its own duration is only an upper bound.
  const wrk = spawnWrk({ ...options, seconds: 3 * options.seconds + 240, until })
  const { pid = 0 } = wrk
  context.onEnd(() => wrk.kill("SIGKILL"))
  let output = ""
  let errors = ""
  const { promise: spent, resolve: spend } = Promise.withResolvers<void>()
  wrk.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString()
  })
  const ended = new Promise<Sent>((resolve, reject) => {
    let sent: number | null = null
    wrk.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString()
      const found = /^sent (\d+)\n/m.exec(errors)?.[1]
      if (found === undefined || sent !== null) return
      sent = Number(found)
      spend()
      setTimeout(() => wrk.kill("SIGINT"), LAST_ANSWERS_MS)
    })
    wrk.once("error", reject)
    wrk.once("close", () => {
      try {
        if (sent === null) throw new Error(`wrk ended early: ${errors}${output}`)
        resolve({ generator: "wrk", requests: sent, failed: readSummary(output).failed })
      } catch (error) {
        reject(error)
      }
    })
  })
  return { ...signals(pid), spent, ended }
}

const bySender = (context: Context, options: SustainedOptions): Load => {
  const child = startChild(context, new URL("./sender.ts", import.meta.url), [
    JSON.stringify({ ...options, rate: null }),
  ])
  const ended = child.next(
    (message) => {
      const requests = numberOf(message, "answered")
      const failed = numberOf(message, "failed")
      return requests === null || failed === null ? null : { generator: "sender" as const, requests, failed }
    },
    3 * options.seconds * 1000 + 240_000,
  )
  const spent = ended.then(() => {})
  return { ...signals(child.pid), spent, ended }
}

/** Starts the load: wrk where it is installed, else the bench's own sender. */
export const startLoad = (context: Context, options: SustainedOptions): Load =>
  hasWrk() ? byWrk(context, options) : bySender(context, options)
