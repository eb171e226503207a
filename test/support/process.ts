/** Nodes as processes of their own, started as users start them, and clients that keep a journal of what was acknowledged. */
import { type ChildProcess, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { STOP_DEADLINE_MS } from "../../src/config/stopBudget.ts"
import { CLOCK_ENV } from "./clock.ts"
import { eventually } from "./index.ts"
import { whenFinished } from "./whenFinished.ts"

export interface NodeProcess {
  readonly url: string
  readonly pid: number
  readonly stdout: () => string
  readonly stderr: () => string
  /** Closes the reading ends of its output, as a log collector does that dies. */
  readonly leaveOutput: () => void
  /** Sends a signal and returns the exit code, `null` when the signal ended it. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | null>
}

/** The processes below a process, itself included, so that a test leaves nothing behind. */
const killGroup = (child: ChildProcess) => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, "SIGKILL")
  } catch {
    // The group has ended by itself.
  }
}

/** The search path without what the run that tests has put before the system's own programs. */
export const systemPath = (): string =>
  (process.env.PATH ?? "")
    .split(":")
    .filter((each) => !each.includes("node_modules"))
    .join(":")

/** What a node's start is waited for. A first `npm start` installs packages before. */
export const STARTED_WITHIN = { timeout: 300_000 }

/** Variables of the environment of a node whose stop may take its time. */
const unhurried = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...env,
  NODE_OPTIONS: `${env.NODE_OPTIONS ?? ""} --import=${new URL("./patience.mjs", import.meta.url).href}`,
  TEST_STOP_DEADLINE_MS: String(STOP_DEADLINE_MS),
})

/** Starts a command that becomes a node and waits for its banner. The node goes by the tests' clock. */
export const startProcess = async (
  command: ReadonlyArray<string>,
  options: {
    readonly cwd: string
    readonly env: Record<string, string>
    readonly uid?: number
    readonly gid?: number
  },
): Promise<NodeProcess> => {
  const [file = "", ...args] = command
  const { cwd, env, ...user } = options
  const child = spawn(file, args, {
    ...user,
    cwd,
    // Behind no balancer, nobody has to be told of a stop beforehand.
    env: unhurried({ ...process.env, ...CLOCK_ENV, PORT: "0", DRAIN_SECONDS: "0", ...env }),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  })
  whenFinished(() => killGroup(child))
  let stdout = ""
  let stderr = ""
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  let ended = false
  const exited = new Promise<number | null>((resolve) =>
    child.once("close", (code) => {
      ended = true
      resolve(code)
    }),
  )
  const noBanner = () => new Error(`no banner (exit code ${child.exitCode}):\n${stdout}\n${stderr}`)
  const url = await eventually(() => {
    const found = /dashboard\s+(http:\S+?)\/\n/.exec(stdout)?.[1]
    if (found === undefined && !ended) throw noBanner()
    return found
  }, STARTED_WITHIN)
  if (url === undefined) throw noBanner()
  return {
    url,
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    leaveOutput: () => {
      child.stdout?.destroy()
      child.stderr?.destroy()
    },
    end: (signal) => {
      process.kill(child.pid ?? 0, signal)
      return exited
    },
  }
}

export const api = (url: string, path: string): string => `${url}/api/v1/analytics/${path}`

/** `data` of a GET. */
export const dataOf = async (url: string, path: string): Promise<Record<string, unknown>> => {
  const response = await fetch(api(url, path))
  const body: unknown = await response.json()
  if (typeof body !== "object" || body === null || !("data" in body)) throw new Error(JSON.stringify(body))
  const { data } = body
  if (typeof data !== "object" || data === null) throw new Error(JSON.stringify(body))
  return { ...data }
}

/** POSTs events one by one, each with its id until it is acknowledged, to whichever of the urls answers: one of them may have to start. */
export const send = async (urls: () => ReadonlyArray<string>, count: number, concurrency: number) => {
  const acknowledged = new Set<string>()
  let next = 0
  const sender = async () => {
    while (next < count) {
      const turn = next++
      const id = randomUUID()
      const body = JSON.stringify({
        event_type: turn % 10 === 0 ? "letter_generate" : "page_view",
        ...(turn % 10 === 0 && { event_data: { letter_type: "motivation" } }),
        id,
        visitor_id: `00000000-0000-4000-8000-${(turn % 500).toString(16).padStart(12, "0")}`,
        page_url: `/page/${turn % 20}`,
      })
      await eventually(async () => {
        const choice = urls()
        const url = choice[(turn + Math.floor(Math.random() * choice.length)) % choice.length] ?? ""
        const response = await fetch(api(url, "event"), {
          method: "POST",
          body,
          signal: AbortSignal.timeout(5000),
        })
        await response.arrayBuffer()
        if (response.status !== 201) throw new Error(`answered ${response.status}`)
      }, STARTED_WITHIN)
      acknowledged.add(id)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, sender))
  return acknowledged
}
