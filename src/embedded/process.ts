/** What the operating system knows about another process, by its id. */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { dirname } from "node:path"
import { identityOf } from "./folder.ts"

/** Whether a process with this id exists, whoever owns it. A zombie, which its parent has not reaped yet, does not. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false
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
export const commandLineOf = (pid: number): string | undefined =>
  process.platform === "linux" ? argumentsOf(pid)?.join(" ") : ps(pid, "args=")

/** The command line of a process on Linux; undefined when there is no such process. */
const argumentsOf = (pid: number): ReadonlyArray<string> | undefined => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")
  } catch {
    return undefined
  }
}

/**
 * Whether a process works in a directory. On Linux that is its current directory, under whatever name: a directory that was
 * renamed since is the same, a copy is not. Where it cannot be told (other systems, another user's process), the command line
 * has to name the directory or a file in it.
 */
export const worksIn = (pid: number, directory: string): boolean => {
  const current = process.platform === "linux" ? identityOf(`/proc/${pid}/cwd`) : undefined
  if (current !== undefined) return current === identityOf(directory)
  if (process.platform === "linux")
    return argumentsOf(pid)?.some((each) => each === directory || dirname(each) === directory) === true
  const commandLine = `${ps(pid, "args=") ?? ""} `
  return commandLine.includes(` ${directory} `) || commandLine.includes(` ${directory}/`)
}

/**
 * The processes that work in a directory and whose command line is the one looked for. Only Linux tells; elsewhere there are
 * none.
 */
export const processesIn = (
  directory: string,
  isSought: (commandLine: ReadonlyArray<string>) => boolean,
): ReadonlyArray<number> =>
  (process.platform === "linux" ? readdirSync("/proc") : [])
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isSought(argumentsOf(pid) ?? []) && worksIn(pid, directory) && isAlive(pid))

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
