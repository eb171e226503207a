/** Programs that a machine may lack, for tests that are skipped there. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { delimiter, join, sep } from "node:path"

/** Milliseconds; an image takes longest. */
const MOST_MS = 180_000

/** Runs a program to its end. */
export const runProgram = (program: string, ...args: ReadonlyArray<string>): SpawnSyncReturns<string> =>
  spawnSync(program, [...args], { encoding: "utf8", timeout: MOST_MS })

/** Whether a program is installed and succeeds with these arguments. */
export const canRun = (program: string, ...args: ReadonlyArray<string>): boolean =>
  runProgram(program, ...args).status === 0

/** The project's own Node, and the machine's, which may be older. */
export const NODES: ReadonlyArray<string> = [
  process.execPath,
  ...(process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes(`node_modules${sep}.bin`))
    .map((folder) => join(folder, "node"))
    .filter((path) => existsSync(path))
    .slice(0, 1),
]
