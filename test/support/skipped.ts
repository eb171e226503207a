/** A reporter: what has been skipped, and what it wants, at the end of a run. */
import type { Reporter, TestCase, TestModule } from "vitest/node"
import type {} from "./wants.ts"

/** `39 tests: Chromium (apt-get install chromium)` for each thing that was wanted, most tests first. */
export const skippedLines = (wanted: ReadonlyArray<string>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const what of wanted) counts.set(what, (counts.get(what) ?? 0) + 1)
  return [...counts]
    .sort(([a, many], [b, more]) => more - many || a.localeCompare(b))
    .map(([what, count]) => `  ${count} ${count === 1 ? "test" : "tests"}: ${what}`)
}

const wantedBy = (test: TestCase): ReadonlyArray<string> => {
  const { wants, lacked = [] } = test.meta()
  return wants === undefined ? lacked : [wants]
}

export default class SkippedReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    const wanted = modules.flatMap((each) => [...each.children.allTests()].flatMap(wantedBy))
    if (wanted.length === 0) return
    console.log(`Skipped, in whole or in part, for want of\n${skippedLines(wanted).join("\n")}`)
  }
}
