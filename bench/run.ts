/** Runs scenarios one after the other, each in its own scratch folder, and cleans up whatever happens. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { describeMachine, type Machine } from "./machine.ts"
import type { Findings, Scale, Scenario } from "./scenario.ts"
import { SERVER_LOG } from "./server/node.ts"

export interface RunOptions {
  readonly scenarios: ReadonlyArray<Scenario>
  readonly scale: Scale
  readonly seconds: number | null
  readonly events: number | null
  readonly say: (line: string) => void
}

/** The outcome of one scenario. */
export interface Outcome extends Findings {
  readonly scenario: string
  readonly title: string
  /** How long it took, seconds. */
  readonly seconds: number
  /** Why it could not be measured, or `null`. */
  readonly failure: string | null
}

export interface Run {
  /** The start, ISO 8601. */
  readonly date: string
  readonly scale: Scale
  readonly machine: Machine
  readonly outcomes: ReadonlyArray<Outcome>
}

const NOTHING: Findings = { figures: [], checks: [], plots: [], remarks: [] }

/** The run was interrupted. Everything has been stopped, and its measurements are discarded. */
export class Interrupted extends Error {}

/** How long stopping one thing may take, milliseconds: longer than a node takes, but not for ever. */
const END_MS = 45_000

/** Stops whatever a scenario has started, the latest first. */
const endAll = async (ends: Array<() => unknown>): Promise<void> => {
  for (let end = ends.pop(); end !== undefined; end = ends.pop())
    try {
      await Promise.race([end(), sleep(END_MS, undefined, { ref: false })])
    } catch {
      // Something else went wrong before this, and is reported.
    }
}

/** The end of what its nodes have logged, in which the reason may be; empty if there was none. */
const logEnd = (folder: string): string => {
  const log = join(folder, SERVER_LOG)
  return existsSync(log) ? `The server's log ends with:\n${readFileSync(log, "utf8").slice(-4000)}` : ""
}

/** Runs a scenario until it ends or `interrupted` rejects, then stops whatever it has started. */
const runOne = async (
  scenario: Scenario,
  options: RunOptions,
  scratch: string,
  interrupted: Promise<never>,
): Promise<Outcome> => {
  const ends: Array<() => unknown> = []
  let over = false
  let failed = false
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
      // Whatever a finished scenario still starts is stopped immediately.
      onEnd: (end) => void (over ? end() : ends.push(end)),
    })
    return outcome(await Promise.race([running, interrupted]), null)
  } catch (error) {
    if (error instanceof Interrupted) throw error
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
    failed = true
    say(`${since()} s  FAILED: ${why}`)
    return outcome(NOTHING, error instanceof Error ? error.message : String(error))
  } finally {
    await endAll(ends)
    over = true
    if (failed) say(logEnd(folder))
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Rejects with {@link Interrupted} at the first SIGINT or SIGTERM. Ignores further ones, because npm sends each twice. */
const interruption = () => {
  const { promise, reject } = Promise.withResolvers<never>()
  const interrupt = () => reject(new Interrupted())
  process.on("SIGINT", interrupt)
  process.on("SIGTERM", interrupt)
  // The signal may arrive while nothing is awaiting it.
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
 * Runs scenarios; a failing one does not keep the others from running. Rejects with {@link Interrupted} if a signal has
 * stopped the run.
 */
export const runScenarios = async (options: RunOptions): Promise<Run> => {
  const date = new Date().toISOString()
  const machine = await describeMachine()
  const scratch = mkdtempSync(join(tmpdir(), "analytics-bench-"))
  // Stopping a scenario rejects whatever it, or nobody, is still waiting for. That must not leave its stores behind.
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
