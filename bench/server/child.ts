/** Processes of the bench itself, load generators and yardsticks, which exchange messages with their parent. */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Context } from "../scenario.ts"

export interface Child {
  readonly pid: number
  readonly send: (message: object) => void
  /** The next message that `read` does not reject as `null`; fails if the process ends first, or none comes in time. */
  readonly next: <A>(read: (message: unknown) => A | null, withinMs?: number) => Promise<A>
  readonly end: () => void
}

/** Of one that hangs; one that ends is noticed at once. */
const WITHIN_MS = 300_000

const waitFor = <A>(
  child: ChildProcess,
  path: string,
  read: (message: unknown) => A | null,
  withinMs: number,
): Promise<A> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      done()
      reject(new Error(`${path} said nothing for ${withinMs} ms`))
    }, withinMs)
    const done = () => {
      clearTimeout(timer)
      child.off("message", onMessage)
      child.off("exit", onExit)
    }
    const onMessage = (message: unknown) => {
      const value = read(message)
      if (value === null) return
      done()
      resolve(value)
    }
    const onExit = (code: number | null) => {
      done()
      reject(new Error(`${path} ended with ${code}`))
    }
    child.on("message", onMessage)
    child.once("exit", onExit)
  })

/** Starts a file of the bench as a process that is stopped with the scenario. */
export const startChild = (
  context: Context,
  file: URL,
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {},
): Child => {
  const path = fileURLToPath(file)
  const child = fork(path, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  })
  const end = () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
  }
  context.onEnd(end)
  return {
    pid: child.pid ?? 0,
    send: (message) => {
      child.send(message)
    },
    next: (read, withinMs = WITHIN_MS) => waitFor(child, path, read, withinMs),
    end,
  }
}

/** The number under a key of a message. */
export const numberOf = (message: unknown, key: string): number | null => {
  if (typeof message !== "object" || message === null) return null
  const value: unknown = Reflect.get(message, key)
  return typeof value === "number" ? value : null
}

/** The bare uWebSockets.js server; see {@link file://./bare.ts}. */
export const startBare = async (context: Context): Promise<Child & { readonly port: number }> => {
  const child = startChild(context, new URL("./bare.ts", import.meta.url))
  const port = await child.next((message) => numberOf(message, "port"))
  return { ...child, port }
}
