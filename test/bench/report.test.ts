import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { expectedFigures, makeCorpus } from "../../bench/load/corpus.ts"
import { at, percentilesOfValues } from "../../bench/load/percentiles.ts"
import { partsOf, stamped } from "../../bench/load/stamps.ts"
import { pageOf } from "../../bench/report/page.ts"
import { readResults, writeResults } from "../../bench/report/results.ts"
import { isMissed, textTable, verdict } from "../../bench/report/table.ts"
import type { Run } from "../../bench/run.ts"
import { atLeast, atMost, check, checkSent, figure, holds, median } from "../../bench/scenario.ts"
import { ROOT } from "../support/documents.ts"
import { temporaryFolder } from "../support/index.ts"

const runWith = (outcome: Partial<Run["outcomes"][number]>, scale: Run["scale"] = "full"): Run => ({
  date: "2025-12-08T12:00:00.000Z",
  scale,
  machine: {
    cpu: "a processor",
    cores: 2,
    memoryGiB: 4,
    system: "linux 6",
    node: "v24",
    generator: "wrk",
    commit: null,
    busyBefore: 0,
  },
  outcomes: [
    {
      scenario: "ingest",
      title: "",
      seconds: 1,
      failure: null,
      figures: [],
      checks: [],
      plots: [],
      remarks: [],
      ...outcome,
    },
  ],
})

describe("a verdict", () => {
  test.each([
    [figure("rate", 60, "%", atLeast(60)), "met"],
    [figure("rate", 59.9, "%", atLeast(60)), "missed"],
    [figure("time", 10, "ms", atMost(10)), "met"],
    [figure("time", 10.1, "ms", atMost(10)), "missed"],
    [figure("time", Number.NaN, "ms", atMost(10)), "missed"],
    [figure("size", 10, "MB"), ""],
  ] as const)("of %o is %s", (measured, expected) => {
    expect(verdict(measured, runWith({}))).toBe(expected)
  })

  test("is not reported by a run that only checks that everything works", () => {
    expect(verdict(figure("rate", 1, "%", atLeast(60)), runWith({}, "smoke"))).toBe("")
  })
})

describe("a count of what was sent", () => {
  test.each([
    [0, 10, true],
    [0, 9, false],
    [2, 8, true],
    [2, 7, false],
    [2, 11, false],
  ])("with %i unacknowledged of 10: %i is right: %s", (unsure, actual, right) => {
    expect(holds(checkSent("rows", 10, actual, unsure))).toBe(right)
  })
})

describe("a run", () => {
  test("fails when a count is wrong, and says which", () => {
    const run = runWith({ checks: [check("rows", 10, 10), check("letters", 3, 4)] })
    expect(isMissed(run)).toBe(true)
    expect(textTable(run)).toContain("WRONG: letters: 4, not 3")
    expect(textTable(run)).toContain("1 of 2 counts are right")
  })

  test("fails when a scenario could not be measured", () => {
    expect(isMissed(runWith({ failure: "no server" }))).toBe(true)
  })

  test("does not fail because a figure misses its aim", () => {
    expect(isMissed(runWith({ figures: [figure("rate", 1, "%", atLeast(60))] }))).toBe(false)
  })
})

describe("the page of an earlier run", () => {
  const bench = (...args: ReadonlyArray<string>) =>
    spawnSync(process.execPath, ["bench/main.ts", ...args], { cwd: ROOT, encoding: "utf8" })
  const earlier = (outcome: Partial<Run["outcomes"][number]> = {}) => {
    const [results = "", page = ""] = writeResults(temporaryFolder(), runWith(outcome))
    return { results, page, written: readFileSync(page, "utf8") }
  }

  test("is the page that the run wrote, though results keep fewer digits", () => {
    const { results, page, written } = earlier({ figures: [figure("rate", 1_234_567.891, "events/s")] })
    rmSync(page)
    const { status, stdout } = bench("page", results)
    expect([status, stdout]).toEqual([0, `${page}\n`])
    expect(readFileSync(page, "utf8")).toBe(written)
    expect(written).toContain("1,234,570 events/s")
  })

  test("is written where --out says", () => {
    const { results, written } = earlier()
    const out = join(temporaryFolder(), "page.html")
    expect(bench("page", results, "--out", out).status).toBe(0)
    expect(readFileSync(out, "utf8")).toBe(written)
  })

  test("misses an aim, or a count, that could not be measured", () => {
    const { results, written } = earlier({
      figures: [figure("time", Number.NaN, "ms", atMost(10))],
      checks: [check("rows", 0, Number.NaN)],
    })
    expect(written).toContain('<td class="missed">missed</td>')
    expect(written).toContain("0 of 1 counts are right")
    expect(isMissed(readResults(results))).toBe(true)
  })

  test.each([
    ["no file", []],
    ["two files", ["a.json", "b.json"]],
  ] as const)("needs one file of results, not %s", (_, files) => {
    const { status, stderr } = bench("page", ...files)
    expect([status, stderr]).toEqual([2, expect.stringContaining("page takes one file")])
  })

  test("is not made of a file that no run wrote", () => {
    const file = join(temporaryFolder(), "other.json")
    writeFileSync(file, '{"date":"2025-12-08","scale":"full","machine":{},"outcomes":[{}]}')
    const { status, stderr } = bench("page", file)
    expect([status, stderr]).toEqual([1, expect.stringContaining("is not what a run writes")])
    expect(existsSync(file.replace(".json", ".html"))).toBe(false)
  })

  test("can be made of every run that is kept", () => {
    const folder = join(ROOT, "bench/results")
    const kept = readdirSync(folder).filter((name) => name.endsWith(".json"))
    expect(kept.length).toBeGreaterThan(0)
    for (const name of kept) {
      const run = readResults(join(folder, name))
      const page = pageOf(run)
      expect(page.match(/<svg/g)?.length, name).toBe(run.outcomes.flatMap(({ plots }) => plots).length)
      expect(page, name).not.toMatch(/NaN|undefined/)
    }
  })
})

describe("a corpus", () => {
  const corpus = makeCorpus({ events: 200, ids: true, perRequest: 1 })

  test("has requests whose length is what they say once the stamps are in", () => {
    for (const [i, { text }] of corpus.requests.entries()) {
      const [head = "", body = ""] = stamped(partsOf(text), i, 7).split("\r\n\r\n")
      expect(Number(/Content-Length: (\d+)/.exec(head)?.[1])).toBe(Buffer.byteLength(body))
      expect(() => JSON.parse(body)).not.toThrow()
    }
  })

  test("gives every event an id of its own, round after round", () => {
    const ids = [0, 1].flatMap((round) =>
      corpus.requests.map(
        ({ text }, i) => /"id":"([^"]+)"/.exec(stamped(partsOf(text), round * 200 + i, round))?.[1],
      ),
    )
    expect(new Set(ids).size).toBe(400)
  })

  test("knows the figures of any number of requests", () => {
    const pageViews = (sent: number) => expectedFigures(corpus, sent).pageViews
    expect(expectedFigures(corpus, 450).events).toBe(450)
    expect(pageViews(450)).toBe(2 * pageViews(200) + pageViews(50))
    expect(pageViews(200)).toBeGreaterThan(0)
  })
})

test("percentiles and medians are of the values", () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i)
  expect([at(percentilesOfValues(values), 50), at(percentilesOfValues(values), 99)]).toEqual([50, 99])
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5])
})
