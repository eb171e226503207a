/** Programs that a machine may lack; tests that need one are skipped there. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process"

/** Runs a program to its end. */
export const run = (program: string, ...args: ReadonlyArray<string>): SpawnSyncReturns<string> =>
  spawnSync(program, [...args], { encoding: "utf8" })

/** Whether a program is installed and runs with these arguments. */
export const runs = (program: string, ...args: ReadonlyArray<string>): boolean =>
  run(program, ...args).status === 0
