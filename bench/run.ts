/** Runs scenarios one after the other, each in a scratch folder of its own, and cleans up whatever happens. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
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

/** What must end when the run is interrupted, the latest first. */
type Ends = Array<() => unknown>

const endAll = async (ends: Ends): Promise<void> => {
  for (let end = ends.pop(); end !== undefined; end = ends.pop())
    try {
      await end()
    } catch {
      // Something else went wrong before, and is reported.
    }
}

const runOne = async (
  scenario: Scenario,
  options: RunOptions,
  scratch: string,
  ends: Ends,
): Promise<Outcome> => {
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
    const findings = await scenario.run({
      ...options,
      folder,
      sharedFolder: join(scratch, "shared"),
      say: (line) => say(`${since()} s  ${line}`),
      onEnd: (end) => ends.push(end),
    })
    return outcome(findings, null)
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
    say(`${since()} s  FAILED: ${why}`)
    return outcome(NOTHING, error instanceof Error ? error.message : String(error))
  } finally {
    await endAll(ends)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Runs them; a scenario that fails does not keep the others from being measured. */
export const runScenarios = async (options: RunOptions): Promise<Run> => {
  const date = new Date().toISOString()
  const machine = await describeMachine()
  const scratch = mkdtempSync(join(tmpdir(), "analytics-bench-"))
  const ends: Ends = []
  const interrupted = () => {
    void endAll(ends).then(() => {
      rmSync(scratch, { recursive: true, force: true })
      process.exit(130)
    })
  }
  process.once("SIGINT", interrupted)
  process.once("SIGTERM", interrupted)
  const outcomes: Array<Outcome> = []
  try {
    for (const scenario of options.scenarios) {
      outcomes.push(await runOne(scenario, options, scratch, ends))
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
    process.off("SIGINT", interrupted)
    process.off("SIGTERM", interrupted)
  }
  return { date, scale: options.scale, machine, outcomes }
}
