/** A store that an experiment kills and freezes. */
import { readdirSync, readFileSync } from "node:fs"
import type { RunningStore } from "../../src/embedded/index.ts"

export interface ChaosStore {
  /** Kills it. It is restarted on the same port with its data, as by a supervisor. */
  readonly kill: () => Promise<void>
  /** Freezes it, with its connections open, until `resume`. */
  readonly pause: () => void
  readonly resume: () => void
}

/** A server's main process and its children: PostgreSQL has one per connection, each in a group of its own. */
const processesOf = (pid: number): ReadonlyArray<number> => [
  pid,
  ...readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((other) => {
      try {
        const stat = readFileSync(`/proc/${other}/stat`, "utf8")
        // The parent is the second field after the name, which may contain spaces and parentheses.
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === pid
      } catch {
        return false
      }
    }),
]

/** Sends signals to a store that its own supervisor restarts. */
export const signals = (running: RunningStore): ChaosStore => {
  const send = (signal: NodeJS.Signals) => {
    for (const pid of processesOf(running.pid())) {
      try {
        process.kill(pid, signal)
      } catch {
        // It has ended in the meantime, or is being restarted.
      }
    }
  }
  return {
    kill: async () => send("SIGKILL"),
    pause: () => send("SIGSTOP"),
    resume: () => send("SIGCONT"),
  }
}
