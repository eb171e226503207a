/**
 * The table of faults and results in docs/reliability.md, generated from the outcomes of real runs:
 * `node test/chaos/table.ts <file.jsonl> …` prints it, `--write` puts it between the document's markers.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { markdownTable, withMarked } from "../../scripts/marked.ts"
import type { Outcome } from "./experiment.ts"
import { faultsOf } from "./faults.ts"

const DOCUMENT = new URL("../../docs/reliability.md", import.meta.url)

const sum = <A>(items: ReadonlyArray<A>, of: (item: A) => number): number =>
  items.reduce((total, item) => total + of(item), 0)

const number = new Intl.NumberFormat("en-US")

/** The longest recovery with one node and with two, seconds. */
const worst = (outcomes: ReadonlyArray<Outcome>): string =>
  [1, 2]
    .map((nodes) => outcomes.filter((outcome) => outcome.nodes === nodes))
    .map((of) =>
      of.length === 0 ? "–" : Math.max(...of.map((each) => each.secondsToWhole ?? Infinity)).toFixed(1),
    )
    .join(" / ")

/** A sentence about the runs, and a row for each fault; a fault that was not run has an empty row. */
export const faultTable = (outcomes: ReadonlyArray<Outcome>): string => {
  const days = [...new Set(outcomes.map(({ at }) => at.slice(0, 10)))].sort()
  const seeds = [...new Set(outcomes.map(({ seed }) => `\`${seed}\``))]
  const rows = faultsOf("single").map((fault) => {
    const of = outcomes.filter((outcome) => outcome.fault === fault.name)
    const verdicts = of.map(({ verdict }) => verdict)
    const withRedis = sum(verdicts, (verdict) => verdict.lostWithRedis)
    return [
      `\`${fault.name}\``,
      fault.what,
      String(of.length),
      number.format(sum(verdicts, (verdict) => verdict.acknowledged)),
      `${sum(verdicts, (verdict) => verdict.lost)}${withRedis > 0 ? ` (and ${withRedis} with Redis' last seconds)` : ""}`,
      String(sum(verdicts, (verdict) => verdict.doubled)),
      String(sum(verdicts, (verdict) => verdict.phantom + verdict.altered)),
      `${sum(verdicts, (verdict) => verdict.wrongFigures.length)} of ${number.format(sum(verdicts, (verdict) => verdict.figures))}`,
      worst(of),
    ]
  })
  const kept = outcomes.filter(({ ok }) => ok).length
  const acknowledged = sum(outcomes, ({ verdict }) => verdict.acknowledged)
  return [
    `Seeds ${seeds.join(", ")}, ${days.join(" to ")}: ${kept} of ${outcomes.length} experiments kept every promise, ` +
      `with ${number.format(acknowledged)} events acknowledged.`,
    "",
    markdownTable(
      [
        ...["fault", "what strikes", "experiments", "acknowledged", "lost", "doubled", "phantom, altered"],
        ...["figures wrong", "whole after (s), 1 / 2 nodes"],
      ],
      rows,
    ),
  ].join("\n")
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { write: { type: "boolean", default: false } },
  })
  const outcomes = positionals.flatMap((file) =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      // Written by this program's own runs.
      .map((line): Outcome => JSON.parse(line)),
  )
  const table = faultTable(outcomes)
  if (values.write) writeFileSync(DOCUMENT, withMarked(readFileSync(DOCUMENT, "utf8"), "faults", table))
  else console.log(table)
}
