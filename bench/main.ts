/** `npm run bench`: measures the product and reports; see README.md beside this file. */
import { readArguments, UsageError, wholeNumber } from "../src/config/arguments.ts"
import { renderPage, writeResults } from "./report/results.ts"
import { isMissed, textTable } from "./report/table.ts"
import { Interrupted, type RunOptions, runScenarios } from "./run.ts"
import type { Scale } from "./scenario.ts"
import { SCENARIOS } from "./scenarios/index.ts"

const HELP = `Usage: npm run bench -- [scenario …] [options]
       npm run bench -- page <results.json> [--out <file>]

Scenarios (all by default, in this order):
${SCENARIOS.map(({ name, title }) => `  ${name.padEnd(12)} ${title}`).join("\n")}

  --quick          shorter runs, for experiments; not for publication
  --smoke          a few seconds each, to check that everything works and counts are right; judges nothing
  --seconds <N>    seconds of each measurement, instead of the scenario's own
  --events <N>     stored events (queries, retention, footprint), instead of the scenario's own
  --out <folder>   folder for <date>.json and <date>.html (default bench/results)
  --no-results     only print the table
  --help           this text

page renders the results of an earlier run as a page with every plot, next to them or to --out.

Exit code: 0 if everything was measured and all counts were right, whatever the figures; 130 if interrupted; 2 if used
incorrectly; 1 otherwise.`

const OPTIONS = {
  quick: { type: "boolean", default: false },
  smoke: { type: "boolean", default: false },
  seconds: { type: "string" },
  events: { type: "string" },
  out: { type: "string" },
  "no-results": { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const

const readCommand = () => readArguments({ options: OPTIONS, allowPositionals: true })

const optional = (name: string, text: string | undefined, max: number): number | null =>
  text === undefined ? null : wholeNumber(name, text, 1, max)

type Values = ReturnType<typeof readCommand>["values"]

/** Runs the named scenarios, or all of them. Returns the exit code. */
const measure = async (names: ReadonlyArray<string>, values: Values): Promise<number> => {
  const unknown = names.filter((name) => !SCENARIOS.some((each) => each.name === name))
  if (unknown.length > 0) throw new UsageError(`There is no scenario ${unknown.join(", ")}.\n\n${HELP}`)
  const scale: Scale = values.smoke ? "smoke" : values.quick ? "quick" : "full"
  const options: RunOptions = {
    scenarios: SCENARIOS.filter(({ name }) => names.length === 0 || names.includes(name)),
    scale,
    seconds: optional("seconds", values.seconds, 600),
    events: optional("events", values.events, 100_000_000),
    say: (line) => console.error(line),
  }
  const run = await runScenarios(options)
  console.log(textTable(run))
  if (!values["no-results"])
    for (const file of writeResults(values.out ?? "bench/results", run)) console.log(file)
  return isMissed(run) ? 1 : 0
}

/** Renders the page of an earlier run's results. Returns the exit code. */
const page = (files: ReadonlyArray<string>, out: string | undefined): number => {
  const [results, ...others] = files
  if (results === undefined || others.length > 0)
    throw new UsageError(`page takes one file of results.\n\n${HELP}`)
  console.log(renderPage(results, out))
  return 0
}

const main = async (): Promise<number> => {
  const { values, positionals } = readCommand()
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const [first, ...others] = positionals
  return first === "page" ? page(others, values.out) : measure(positionals, values)
}

try {
  process.exitCode = await main()
} catch (error) {
  // Otherwise pending work of the scenario would keep the process alive.
  if (error instanceof Interrupted) process.exit(130)
  console.error(error instanceof UsageError ? error.message : error)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
