/** Stores a run as JSON, from which its page can be rendered at any time. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Run } from "../run.ts"
import { pageOf } from "./page.ts"

const RESULTS = /\.json$/

/** Rounds numbers in results to the digits that can be trusted. */
const rounded = (_key: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value

/** JSON has no NaN: a number that could not be measured is stored as `null`, and must not be read back as zero. */
const unmeasured = (key: string, value: unknown): unknown =>
  value === null && ["measured", "expected", "actual"].includes(key) ? Number.NaN : value

/** Whether a value is an outcome with the lists that a page shows. */
const isOutcome = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  ["figures", "checks", "plots", "remarks"].every((key) => Array.isArray(Reflect.get(value, key)))

/** Whether a value is what {@link writeResults} wrote. */
const isRun = (value: unknown): value is Run =>
  typeof value === "object" &&
  value !== null &&
  "date" in value &&
  typeof value.date === "string" &&
  "scale" in value &&
  "machine" in value &&
  "outcomes" in value &&
  Array.isArray(value.outcomes) &&
  value.outcomes.every(isOutcome)

/** Returns the run in a results file. Throws if the file cannot be read or contains anything else. */
export const readResults = (file: string): Run => {
  const run: unknown = JSON.parse(readFileSync(file, "utf8"), unmeasured)
  if (!isRun(run)) throw new Error(`${file} is not what a run writes`)
  return run
}

/**
 * Renders the page of a results file to `out`, by default next to it under the same name, and returns its path. It
 * shows the file's numbers, so the page is the same whenever it is rendered.
 */
export const renderPage = (results: string, out = `${results.replace(RESULTS, "")}.html`): string => {
  writeFileSync(out, pageOf(readResults(results)))
  return out
}

/** Writes a run's results and their page, named by its date and time, and returns their paths. */
export const writeResults = (folder: string, run: Run): ReadonlyArray<string> => {
  mkdirSync(folder, { recursive: true })
  const results = join(folder, `${run.date.slice(0, 16).replace(":", "")}.json`)
  writeFileSync(results, `${JSON.stringify(run, rounded)}\n`)
  return [results, renderPage(results)]
}

/** Returns the newest full run in a folder of results; `null` if there is none. */
export const newestRun = (folder: string): Run | null => {
  if (!existsSync(folder)) return null
  const names = readdirSync(folder).filter((name) => RESULTS.test(name))
  for (const name of names.sort().reverse()) {
    const run = readResults(join(folder, name))
    if (run.scale === "full") return run
  }
  return null
}
