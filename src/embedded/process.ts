/** What the operating system knows about another process, by its id. */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"

/** Whether a process with this id exists, whoever owns it. A zombie, which its parent has not reaped yet, does not. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
  return statFields(pid)?.[0] !== "Z"
}

/**
 * When a process was started, in a form that is only to be compared; undefined when there is none. Ids are reused after a
 * while, so a process is identified by both.
 */
export const startTimeOf = (pid: number): string | undefined => {
  if (process.platform === "linux") return statFields(pid)?.[19]
  return ps(pid, "lstart=")
}

/** The command line of a process, its arguments joined with spaces; undefined when there is no such process. */
export const commandLineOf = (pid: number): string | undefined => {
  if (process.platform !== "linux") return ps(pid, "args=")
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
  } catch {
    return undefined
  }
}

/**
 * The fields of proc_pid_stat(5) from the third (state) on; undefined when there is no such process. The second, the name,
 * may hold spaces and parentheses.
 */
export const statFields = (pid: number): ReadonlyArray<string> | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  } catch {
    return undefined
  }
}

const ps = (pid: number, column: string): string | undefined => {
  const found = spawnSync("ps", ["-o", column, "-p", String(pid)], { encoding: "utf8" })
  return found.status === 0 ? found.stdout.trim() : undefined
}
