/** Keeps a run: as JSON for programs, as a page for people. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Run } from "../run.ts"
import { pageOf } from "./page.ts"

/** Numbers in results need no more digits than they can be trusted to have. */
const rounded = (_key: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value

/** Writes a run's files, named by its date and time, and gives their paths. */
export const writeResults = (folder: string, run: Run): ReadonlyArray<string> => {
  mkdirSync(folder, { recursive: true })
  const name = run.date.slice(0, 16).replace(":", "")
  const json = join(folder, `${name}.json`)
  const page = join(folder, `${name}.html`)
  writeFileSync(json, `${JSON.stringify(run, rounded)}\n`)
  writeFileSync(page, pageOf(run))
  return [json, page]
}

/** Whether a value is what {@link writeResults} wrote. */
export const isRun = (value: unknown): value is Run =>
  typeof value === "object" &&
  value !== null &&
  "date" in value &&
  "machine" in value &&
  "outcomes" in value &&
  Array.isArray(value.outcomes)

/** The newest full run whose results are in a folder; `null` when there is none. */
export const newestRun = (folder: string): Run | null => {
  if (!existsSync(folder)) return null
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"))
  for (const name of names.sort().reverse()) {
    const run: unknown = JSON.parse(readFileSync(join(folder, name), "utf8"))
    if (!isRun(run)) throw new Error(`${name} is not what a run writes`)
    if (run.scale === "full") return run
  }
  return null
}
