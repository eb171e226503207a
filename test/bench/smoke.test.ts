import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { describe, expect, test } from "vitest"
import { readResults } from "../../bench/report/results.ts"
import type { Run } from "../../bench/run.ts"
import { holds } from "../../bench/scenario.ts"
import { SCENARIOS } from "../../bench/scenarios/index.ts"
import { ROOT } from "../support/documents.ts"
import { newFolder, removeFolder } from "../support/temporaryFolder.ts"

/** Runs one scenario in its own process. Returns its exit code, its output and the files it wrote. */
const smoke = async (scenario: string) => {
  const out = newFolder()
  try {
    const child = spawn(process.execPath, ["bench/main.ts", scenario, "--smoke", "--out", out], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString()
      })
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve))
    const [page, results] = readdirSync(out).sort()
    if (page === undefined || results === undefined) throw new Error(`no results:\n${output}`)
    return {
      code,
      output,
      run: readResults(join(out, results)),
      page: readFileSync(join(out, page), "utf8"),
    }
  } finally {
    removeFolder(out)
  }
}

const wrongCounts = (run: Run) =>
  run.outcomes.flatMap(({ checks }) => checks.filter((check) => !holds(check)))

/** A small machine can run two at a time. */
const lanes = Semaphore.makeUnsafe(2)

describe.concurrent("a short run of the bench", () => {
  test.for(SCENARIOS.map(({ name }) => name))(
    "works, counts what it sent, and shows it: %s",
    async (scenario) => {
      const ran = Effect.promise(() => smoke(scenario))
      const { code, output, run, page } = await Effect.runPromise(lanes.withPermit(ran))
      expect(wrongCounts(run), output).toEqual([])
      expect(code, output).toBe(0)
      const [outcome] = run.outcomes
      expect(outcome?.scenario).toBe(scenario)
      expect(outcome?.failure).toBeNull()
      expect(outcome?.figures.length).toBeGreaterThan(0)
      expect(outcome?.checks.length).toBeGreaterThan(0)
      for (const { name, measured } of outcome?.figures ?? []) {
        expect(Number.isFinite(measured), `${scenario}: ${name}`).toBe(true)
        expect(output).toContain(`${scenario}: ${name}`)
      }
      expect(page).toContain(`<section id="${scenario}">`)
      expect(page.match(/<svg/g)?.length ?? 0).toBe(outcome?.plots.length)
      expect(page).not.toMatch(/(src|href)="(?!#)|NaN|undefined/)
    },
  )
})
