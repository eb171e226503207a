/**
 * The tables of faults and results in docs/reliability.md, one for each topology, generated from the outcomes of real runs:
 * `node test/chaos/table.ts <file.jsonl> …` prints them, `--write` puts them between the document's markers. Without files it takes those
 * of `outcomes/`, where a series of runs that takes hours is kept until it is complete.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { markdownTable, withMarked } from "../../scripts/marked.ts"
import type { Outcome } from "./experiment.ts"
import { faultsOf } from "./faults.ts"
import { TOPOLOGIES, type Topology } from "./redis.ts"

const OUTCOMES = new URL("./outcomes/", import.meta.url)
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

/** With how many replicas of a master a topology is tried, and with how many that acknowledge. */
const TRIED: {
  readonly [T in Topology]: ReadonlyArray<{ readonly replicas: number; readonly ackReplicas: number }>
} = {
  single: [{ replicas: 0, ackReplicas: 0 }],
  cluster: [0, 1].map((ackReplicas) => ({ replicas: 1, ackReplicas })),
  sentinel: [
    { replicas: 1, ackReplicas: 1 },
    ...[0, 1, 2].map((ackReplicas) => ({ replicas: 2, ackReplicas })),
  ],
}

const lostHeads = (topology: Topology): ReadonlyArray<string> =>
  topology === "single"
    ? ["lost"]
    : TRIED[topology].map(
        ({ replicas, ackReplicas }) => `lost, ${ackReplicas} of ${replicas} replicas acknowledge`,
      )

const lostCells = (topology: Topology, outcomes: ReadonlyArray<Outcome>): ReadonlyArray<string> =>
  TRIED[topology].map(({ replicas, ackReplicas }) => {
    const verdicts = outcomes
      .filter((outcome) => outcome.ackReplicas === ackReplicas && outcome.replicas === replicas)
      .map(({ verdict }) => verdict)
    const withRedis = sum(verdicts, ({ lostWithRedis }) => lostWithRedis)
    if (verdicts.length === 0) return "–"
    return `${sum(verdicts, ({ lost }) => lost)}${withRedis > 0 ? ` (and ${number.format(withRedis)} ${LOST_WITH[topology]})` : ""}`
  })

const LOST_WITH: { readonly [T in Topology]: string } = {
  single: "with Redis' last seconds",
  cluster: "with a master",
  sentinel: "with a master",
}

/** A sentence about a topology's runs, and a row for each of its faults; a fault that was not run has an empty row. */
export const faultTable = (topology: Topology, all: ReadonlyArray<Outcome>): string => {
  const outcomes = all.filter((outcome) => outcome.topology === topology)
  const different = (of: (outcome: Outcome) => string) => [...new Set(outcomes.map(of))].sort().join(", ")
  const rows = faultsOf(topology).map((fault) => {
    const of = outcomes.filter((outcome) => outcome.fault === fault.name)
    const verdicts = of.map(({ verdict }) => verdict)
    return [
      `\`${fault.name}\``,
      fault.what,
      String(of.length),
      number.format(sum(verdicts, (verdict) => verdict.acknowledged)),
      ...lostCells(topology, of),
      String(sum(verdicts, (verdict) => verdict.doubled)),
      String(sum(verdicts, (verdict) => verdict.phantom + verdict.altered)),
      `${sum(verdicts, (verdict) => verdict.wrongFigures.length)} of ${number.format(sum(verdicts, (verdict) => verdict.figures))}`,
      worst(of),
    ]
  })
  const kept = outcomes.filter(({ ok }) => ok).length
  const acknowledged = sum(outcomes, ({ verdict }) => verdict.acknowledged)
  return [
    `Seeds ${different(({ seed }) => `\`${seed}\``)}, ${different(({ redis }) => redis)}, ${different(({ at }) => at.slice(0, 10))}: ` +
      `${kept} of ${outcomes.length} experiments kept every promise, with ${number.format(acknowledged)} events acknowledged.`,
    "",
    markdownTable(
      [
        ...["fault", "what strikes", "experiments", "acknowledged", ...lostHeads(topology)],
        ...["doubled", "phantom, altered", "figures wrong", "whole after (s), 1 / 2 nodes"],
      ],
      rows,
    ),
  ].join("\n")
}

/** The markers between which a topology has its table. */
export const markerOf = (topology: Topology): string =>
  topology === "single" ? "faults" : `faults-${topology}`

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { write: { type: "boolean", default: false } },
  })
  const kept = readdirSync(OUTCOMES).map((name) => fileURLToPath(new URL(name, OUTCOMES)))
  const outcomes = (positionals.length > 0 ? positionals : kept).flatMap((file) =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      // Written by this program's own runs.
      .map((line): Outcome => JSON.parse(line)),
  )
  // A topology without outcomes keeps the table that it has.
  for (const topology of TOPOLOGIES.filter((each) => outcomes.some((outcome) => outcome.topology === each))) {
    const table = faultTable(topology, outcomes)
    if (!values.write) console.log(table)
    else writeFileSync(DOCUMENT, withMarked(readFileSync(DOCUMENT, "utf8"), markerOf(topology), table))
  }
}
