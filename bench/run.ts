/** Runs scenarios one after the other, each in a scratch folder of its own, and cleans up whatever happens. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { describeMachine, type Machine } from "./machine.ts"
import type { Findings, Scale, Scenario } from "./scenario.ts"

export interface RunOptions {
  readonly scenarios: ReadonlyArray<Scenario>
  readonly scale: Scale
  readonly seconds: number | null
  readonly events: number | null
  readonly say: (line: string) => void
}

/** What became of one scenario. */
export interface Outcome extends Findings {
  readonly scenario: string
  readonly title: string
  /** It took, seconds. */
  readonly seconds: number
  /** Why it could not be measured, or `null`. */
  readonly failure: string | null
}

export interface Run {
  /** ISO 8601, of the start. */
  readonly date: string
  readonly scale: Scale
  readonly machine: Machine
  readonly outcomes: ReadonlyArray<Outcome>
}

const NOTHING: Findings = { figures: [], checks: [], plots: [], remarks: [] }

/** The run was told to stop. Everything has ended, and what had been measured is thrown away. */
export class Interrupted extends Error {}

/** What one end may take, milliseconds: more than a node takes to stop, but not for ever. */
const END_MS = 45_000

/** Ends what a scenario has started, the latest first. */
const endAll = async (ends: Array<() => unknown>): Promise<void> => {
  for (let end = ends.pop(); end !== undefined; end = ends.pop())
    try {
      await Promise.race([end(), sleep(END_MS, undefined, { ref: false })])
    } catch {
      // Something else went wrong before, and is reported.
    }
}

/** Runs a scenario until it has ended, or `interrupted` rejects; ends all that it has started in either case. */
const runOne = async (
  scenario: Scenario,
  options: RunOptions,
  scratch: string,
  interrupted: Promise<never>,
): Promise<Outcome> => {
  const ends: Array<() => unknown> = []
  let over = false
  const { say } = options
  const folder = join(scratch, scenario.name)
  mkdirSync(folder)
  const began = performance.now()
  const since = () => ((performance.now() - began) / 1000).toFixed(1).padStart(6)
  say(`\n${scenario.name}: ${scenario.title}`)
  const { name, title } = scenario
  const outcome = (findings: Findings, failure: string | null): Outcome => ({
    scenario: name,
    title,
    seconds: Math.round((performance.now() - began) / 100) / 10,
    failure,
    ...findings,
  })
  try {
    const running = scenario.run({
      ...options,
      folder,
      sharedFolder: join(scratch, "shared"),
      say: (line) => say(`${since()} s  ${line}`),
      // What an ended scenario was about to start when it ended, ends at once.
      onEnd: (end) => void (over ? end() : ends.push(end)),
    })
    return outcome(await Promise.race([running, interrupted]), null)
  } catch (error) {
    if (error instanceof Interrupted) throw error
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
    say(`${since()} s  FAILED: ${why}`)
    return outcome(NOTHING, error instanceof Error ? error.message : String(error))
  } finally {
    await endAll(ends)
    over = true
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Rejects with {@link Interrupted} at the first SIGINT or SIGTERM; further ones change nothing, since npm sends each twice. */
const interruption = () => {
  const { promise, reject } = Promise.withResolvers<never>()
  const interrupt = () => reject(new Interrupted())
  process.on("SIGINT", interrupt)
  process.on("SIGTERM", interrupt)
  // It may come while nothing runs that would notice.
  promise.catch(() => {})
  return {
    interrupted: promise,
    forget: () => {
      process.off("SIGINT", interrupt)
      process.off("SIGTERM", interrupt)
    },
  }
}

/**
 * Runs scenarios; one that fails does not keep the others from being measured. Rejects with {@link Interrupted} when a signal
 * has stopped the run.
 */
export const runScenarios = async (options: RunOptions): Promise<Run> => {
  const date = new Date().toISOString()
  const machine = await describeMachine()
  const scratch = mkdtempSync(join(tmpdir(), "analytics-bench-"))
  // Ending a scenario fails what it still waits for, or nobody waits for any more: no reason to leave its stores behind.
  const abandoned = (reason: unknown) => options.say(`given up: ${reason}`)
  process.on("unhandledRejection", abandoned)
  const { interrupted, forget } = interruption()
  const outcomes: Array<Outcome> = []
  try {
    for (const scenario of options.scenarios)
      outcomes.push(await runOne(scenario, options, scratch, interrupted))
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
    forget()
    process.off("unhandledRejection", abandoned)
  }
  return { date, scale: options.scale, machine, outcomes }
}
