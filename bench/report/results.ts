/** Keeps a run: as JSON for programs, as a page for people. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Run } from "../run.ts"

/** Writes a run's files, named by its date and time, and gives their paths. */
export const writeResults = (folder: string, run: Run): ReadonlyArray<string> => {
  mkdirSync(folder, { recursive: true })
  const name = run.date.slice(0, 16).replace(":", "")
  const json = join(folder, `${name}.json`)
  writeFileSync(json, `${JSON.stringify(run, null, 1)}\n`)
  return [json]
}
