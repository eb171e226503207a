/** Runs the product's commands, and the loader of past events, on the stores of a data folder. */
import { spawn } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { LoadOptions } from "../load/loadStore.ts"
import { byScale, type Context } from "../scenario.ts"
import { DEFAULTS } from "./defaults.ts"
import { endStores } from "./node.ts"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))
const LOADER = fileURLToPath(new URL("../load/loadStore.ts", import.meta.url))

/** How long a process may take to stop, along with the stores it has started, milliseconds. */
const STOP_MS = 30_000

/** Runs a process to its end. Returns what it printed and the milliseconds it took. */
const runToEnd = (
  context: Context,
  args: ReadonlyArray<string>,
  dataDir: string,
  onMessage: (message: unknown) => void = () => {},
): Promise<{ readonly output: string; readonly milliseconds: number }> =>
  new Promise((resolve, reject) => {
    const began = performance.now()
    const { PATH, HOME, NODE_COMPILE_CACHE } = process.env
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { PATH, HOME, NODE_COMPILE_CACHE, LOG_LEVEL: "error", DATA_DIR: dataDir },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    })
    const exited = new Promise<void>((ended) => child.once("exit", () => ended()))
    const runs = () => child.exitCode === null && child.signalCode === null
    let output = ""
    let errors = ""
    let stopped = false
    context.onEnd(async () => {
      if (!runs()) return
      stopped = true
      // It stops the stores it has started; killed immediately, it would leave them behind.
      child.kill("SIGTERM")
      await Promise.race([exited, sleep(STOP_MS, undefined, { ref: false })])
      if (!runs()) return
      child.kill("SIGKILL")
      endStores(dataDir)
    })
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.stderr?.on("data", (chunk: Buffer) => {
      errors += chunk.toString()
    })
    child.on("message", onMessage)
    child.once("error", reject)
    child.once("exit", (code) => {
      if (code === 0 && !stopped) resolve({ output, milliseconds: performance.now() - began })
      else
        reject(
          new Error(`${args.join(" ")} ended with ${code}:\n${errors.slice(-2000)}${output.slice(-500)}`),
        )
    })
  })

/** `node src/main.ts <command> …`: what `npm start -- <command>` runs. */
export const runCommand = (context: Context, dataDir: string, args: ReadonlyArray<string>) =>
  runToEnd(context, ["src/main.ts", ...args], dataDir)

/**
 * Loads spans of the past, oldest first, into a data folder that no node is using. The figures in Redis still have to
 * be rebuilt.
 */
export const loadPast = async (
  context: Context,
  dataDir: string,
  spans: ReadonlyArray<LoadOptions>,
): Promise<void> => {
  const began = performance.now()
  const events = spans.reduce((sum, span) => sum + span.events, 0)
  const onMessage = (message: unknown) => {
    const loaded: unknown =
      typeof message === "object" && message !== null ? Reflect.get(message, "loaded") : 0
    context.say(`${loaded} of ${events} events loaded`)
  }
  await runToEnd(context, [LOADER, JSON.stringify(spans)], dataDir, onMessage)
  const seconds = (performance.now() - began) / 1000
  context.say(`${events} events loaded in ${seconds.toFixed(1)} s`)
}

/** The days of {@link storeOfThePast}: few enough that none of its events expires while it is used. Each has its own files. */
export const pastDays = (context: Context): number => {
  const days = DEFAULTS.retentionDays - 1
  return byScale(context, { full: days, quick: days, smoke: 6 })
}

/** A data folder with a number of past events without ids, made once per run. */
export const storeOfThePast = async (context: Context, events: number): Promise<string> => {
  const dataDir = join(context.sharedFolder, `past-${events}`)
  const complete = `${dataDir}.complete`
  if (!existsSync(complete)) {
    await loadPast(context, dataDir, [{ events, fromDaysAgo: pastDays(context), toDaysAgo: 0, ids: false }])
    writeFileSync(complete, "")
  }
  return dataDir
}
