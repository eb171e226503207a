/** Folders for a test or a run, which say whose they are, so that what a killed run left behind can be found. */
import { spawnSync } from "node:child_process"
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { onTestFinished } from "vitest"
import { commandLineOf, isAlive } from "../../src/embedded/process.ts"
import { eventually } from "./eventually.ts"

const PREFIX = "analytics-test-"

/** An empty folder, removed after the test. */
export const temporaryFolder = (): string => {
  const folder = newFolder()
  onTestFinished(() => removeLeftFolder(folder))
  return folder
}

export const newFolder = (): string => realpathSync(mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`)))

export const removeFolder = (folder: string): void =>
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })

/** Removes a folder in which a process may be that is about to end, and writes until then. */
export const removeLeftFolder = (folder: string): Promise<void> => eventually(() => removeFolder(folder))

/** Ends the stores and removes the folders of test runs that were killed: their stores outlive them by design. */
export const removeFoldersOfKilledRuns = (): void => {
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split("-")[0]) : Number.NaN
    if (Number.isNaN(owner) || isAlive(owner)) continue
    const folder = join(tmpdir(), name)
    for (const store of ["redis.json", "postgres.json"]) endStore(folder, join(folder, store))
    endServers(folder)
    unmountBelow(folder)
    removeFolder(folder)
  }
}

/** A run that fills a small disk has mounted one, and a mount point cannot be removed. */
const unmountBelow = (folder: string): void => {
  if (!existsSync("/proc/mounts")) return
  for (const line of readFileSync("/proc/mounts", "utf8").split("\n")) {
    const [, target = ""] = line.split(" ")
    if (target.startsWith(`${folder}/`)) spawnSync("umount", ["-l", target])
  }
}

/** Redis and PostgreSQL servers of tests, whose working directory is where they have noted their process. */
const endServers = (folder: string): void => {
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!["redis.pid", "postmaster.pid"].includes(basename(file))) continue
    try {
      const pid = Number(readFileSync(join(folder, file), "utf8").split("\n")[0])
      if (readlinkSync(`/proc/${pid}/cwd`) === join(folder, dirname(file))) process.kill(pid, "SIGKILL")
    } catch {
      // It has ended.
    }
  }
}

const endStore = (folder: string, handleFile: string): void => {
  try {
    const { pid } = JSON.parse(readFileSync(handleFile, "utf8")) as { readonly pid: number }
    if (commandLineOf(pid)?.includes(folder)) process.kill(pid, "SIGKILL")
  } catch {
    // There is none, or it is somebody else's.
  }
}
