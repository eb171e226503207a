/** CPU and memory of processes, from /proc. Where there is none (outside of Linux), everything is zero. */
import { readdirSync, readFileSync } from "node:fs"
import { statFields } from "../../src/embedded/process.ts"

/** Linux' USER_HZ, the same on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

/** Seconds of CPU that a process has used, its ended children included. */
export const cpuSeconds = (pid: number): number => {
  const stat = statFields(pid)
  if (stat === undefined) return 0
  return [11, 12, 13, 14].reduce((sum, i) => sum + Number(stat[i] ?? 0), 0) / TICKS_PER_SECOND
}

/** Bytes of a process' resident memory. */
export const residentBytes = (pid: number): number => {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_BYTES
  } catch {
    return 0
  }
}

/** Bytes of a process' memory, with shared pages counted proportionally, to be summed over PostgreSQL's processes. */
export const proportionalBytes = (pid: number): number => {
  try {
    return (
      Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0) * 1024
    )
  } catch {
    return 0
  }
}

/** A process and its direct children. */
export const family = (parent: number): ReadonlyArray<number> => {
  try {
    const children = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => Number(statFields(pid)?.[1]) === parent)
    return [parent, ...children]
  } catch {
    return [parent]
  }
}
