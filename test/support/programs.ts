/** Programs that a machine may lack, for tests that are skipped there. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process"

/** Milliseconds; an image takes longest. */
const MOST_MS = 180_000

/** Runs a program to its end. */
export const runProgram = (program: string, ...args: ReadonlyArray<string>): SpawnSyncReturns<string> =>
  spawnSync(program, [...args], { encoding: "utf8", timeout: MOST_MS })

/** Whether a program is installed and succeeds with these arguments. */
export const canRun = (program: string, ...args: ReadonlyArray<string>): boolean =>
  runProgram(program, ...args).status === 0
