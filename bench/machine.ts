/** The machine that a figure was measured on, without which it means nothing. */
import { spawnSync } from "node:child_process"
import { cpus, platform, release, totalmem } from "node:os"
import { setTimeout as sleep } from "node:timers/promises"
import { hasWrk } from "./load/closedLoop.ts"

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
  readonly generator: "wrk" | "autocannon"
  /** The commit that was measured; `null` outside a repository. */
  readonly commit: string | null
  /** CPU used by others in the second before the run, percent: noise. */
  readonly busyBefore: number
}

const busyTicks = (): { readonly busy: number; readonly all: number } => {
  let busy = 0
  let all = 0
  for (const { times } of cpus()) {
    const spent = times.user + times.nice + times.sys + times.irq
    busy += spent
    all += spent + times.idle
  }
  return { busy, all }
}

const commitOf = (): string | null => {
  const commit = spawnSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" })
  if (commit.status !== 0) return null
  const changed = spawnSync("git", ["status", "--porcelain", "--", "src", "bench"], { encoding: "utf8" })
  return commit.stdout.trim() + (changed.stdout.trim() === "" ? "" : " with changes")
}

/** Describes this machine. Takes a second, to find out how busy it is. */
export const describeMachine = async (): Promise<Machine> => {
  const before = busyTicks()
  await sleep(1000)
  const after = busyTicks()
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${platform()} ${release()}`,
    node: process.version,
    generator: hasWrk() ? "wrk" : "autocannon",
    commit: commitOf(),
    busyBefore: Math.round((100 * (after.busy - before.busy)) / Math.max(1, after.all - before.all)),
  }
}

/** The description in one line. */
export const machineLine = (machine: Machine): string =>
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}`
