/**
 * The README's figures, generated from the newest full run in bench/results: `node scripts/figuresTable.ts` prints them,
 * `--write` puts them between the README's markers. No figure gets there in any other way.
 */
import { fileURLToPath } from "node:url"
import { machineLine } from "../bench/machine.ts"
import { newestRun } from "../bench/report/results.ts"
import { aimText, measuredText, verdict } from "../bench/report/table.ts"
import { markdownTable, printOrWrite } from "./marked.ts"

const README = new URL("../README.md", import.meta.url)
const RESULTS = fileURLToPath(new URL("../bench/results", import.meta.url))

/** This scenario is shown with all of its figures, the others only with those that have an aim. */
const WHOLE = "against"

/** The figures in Markdown, with the machine they were measured on. */
export const figuresTable = (): string => {
  const run = newestRun(RESULTS)
  if (run === null) return "No full run has been recorded yet."
  const rows = run.outcomes.flatMap((outcome) =>
    outcome.figures
      .filter(({ aim }) => aim !== null || outcome.scenario === WHOLE)
      .map((each) => [
        `${outcome.scenario}: ${each.name}`,
        aimText(each.aim, each.unit),
        measuredText(each),
        verdict(each, run),
      ]),
  )
  const commit = run.machine.commit === null ? "" : `, commit ${run.machine.commit}`
  return [
    markdownTable(["figure", "aim", "measured", "verdict"], rows),
    "",
    `Measured on ${run.date.slice(0, 10)} with ${machineLine(run.machine)}, shared by the load generator (${run.machine.generator}), the server, Redis and PostgreSQL${commit}.`,
  ].join("\n")
}

if (import.meta.main) printOrWrite(README, { figures: figuresTable() })
