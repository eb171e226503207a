/**
 * Which processes are a store's. The one that was started is noted in `<directory>.json`, where the next start finds it. Others
 * may be left of a start whose note is lost, or of a server that was killed while its children were busy.
 */
import { readFileSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { STOP_BUDGET } from "../config/stopBudget.ts"
import { FILE_MODE } from "./folder.ts"
import { isAlive, processesIn, startTimeOf, worksIn } from "./process.ts"
import type { StoreProgram } from "./storeProgram.ts"

/** A store's process. */
export interface Handle {
  readonly pid: number
  readonly startedAt: string | undefined
  readonly port: number
  /** The command that started it, which tells whether a later start has the same settings. */
  readonly settings: string
}

/** How often to look whether a process has started or ended. */
export const POLL_EVERY = "20 millis"

/** Time for a process to go once nothing can keep it, milliseconds. */
const KILL_WITHIN = 5000

/** The process that the last start noted; undefined when there is no note, or none that can be read. */
export const readHandle = (program: StoreProgram): Handle | undefined => {
  try {
    const noted: unknown = JSON.parse(readFileSync(noteOf(program), "utf8"))
    return isHandle(noted) ? noted : undefined
  } catch {
    return undefined
  }
}

export const writeHandle = (program: StoreProgram, handle: Handle): void =>
  writeFileSync(noteOf(program), JSON.stringify(handle), { mode: FILE_MODE })

const noteOf = (program: StoreProgram): string => `${program.directory}.json`

const isHandle = (value: unknown): value is Handle =>
  typeof value === "object" &&
  value !== null &&
  "pid" in value &&
  Number.isSafeInteger(value.pid) &&
  (!("startedAt" in value) || typeof value.startedAt === "string") &&
  "port" in value &&
  Number.isSafeInteger(value.port) &&
  "settings" in value &&
  typeof value.settings === "string"

/** Whether the process lives and is the store of this directory: not another with its id, nor that of a folder this one is a copy of. */
export const isRunning = ({ directory }: StoreProgram, { pid, startedAt }: Handle): boolean =>
  isAlive(pid) && startTimeOf(pid) === startedAt && worksIn(pid, directory)

/** Asks a store to exit, then insists. After the second signal it is not waited for any longer. */
export const stop = (program: StoreProgram, handle: Handle): Effect.Effect<void> =>
  end(program, () => (isRunning(program, handle) ? [handle.pid] : []), [
    [program.stopSignal, STOP_BUDGET.storeStop],
    [program.haltSignal, STOP_BUDGET.storeHalt],
  ])

/** Ends every process of the store, by force if need be. The caller holds the folder, so they are nobody else's. */
export const clear = (program: StoreProgram): Effect.Effect<void> =>
  Effect.suspend(() => {
    const left = () => processesIn(program.directory, program.isProcess)
    const pids = left()
    if (pids.length === 0) return Effect.void
    return Effect.logWarning(
      `${program.store}: ending what an earlier run has left running: process ${pids.join(", ")}`,
    ).pipe(
      Effect.andThen(
        end(program, left, [
          [program.stopSignal, STOP_BUDGET.storeStop],
          [program.haltSignal, STOP_BUDGET.storeHalt],
          ["SIGKILL", KILL_WITHIN],
        ]),
      ),
    )
  })

/** Sends the first signal and waits so many milliseconds for the processes to exit; if they do not, the same with the next. */
const end = (
  program: StoreProgram,
  left: () => ReadonlyArray<number>,
  [[signal, within], ...more]: Steps,
): Effect.Effect<void> =>
  Effect.suspend(() => {
    for (const pid of left()) send(pid, signal)
    const [next, ...later] = more
    return Effect.sync(() => left().length).pipe(
      Effect.repeat({ schedule: Schedule.spaced(POLL_EVERY), while: (running) => running > 0 }),
      Effect.timeoutOption(within),
      Effect.flatMap((ended) =>
        ended._tag === "Some" || next === undefined
          ? Effect.void
          : Effect.logWarning(
              `${program.store} did not stop within ${within / 1000} seconds; its process is being terminated`,
            ).pipe(Effect.andThen(end(program, left, [next, ...later]))),
      ),
    )
  })

type Step = readonly [signal: NodeJS.Signals, within: number]
type Steps = readonly [Step, ...ReadonlyArray<Step>]

const send = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch {
    // It exited in between.
  }
}
