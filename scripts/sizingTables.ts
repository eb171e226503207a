/**
 * The tables of docs/sizing.md, derived from the newest full run in bench/results: `node scripts/sizingTables.ts` prints them,
 * `--write` puts them between the document's markers.
 */
import { fileURLToPath } from "node:url"
import { newestRun } from "../bench/report/results.ts"
import type { Run } from "../bench/run.ts"
import { markdownTable, printOrWrite } from "./marked.ts"

const DOCUMENT = new URL("../docs/sizing.md", import.meta.url)
const RESULTS = fileURLToPath(new URL("../bench/results", import.meta.url))

/** Part of a processor, or of a thread, that is planned for; the rest is for peaks. */
const PLANNED = 0.7
const DAY_S = 86_400

/** Microseconds of processor time that an event takes of each part. */
interface Costs {
  readonly http: number
  /** The actors' thread, and V8's helpers, which collect both threads' garbage. */
  readonly actors: number
  readonly redis: number
  readonly postgres: number
}

/** The first figure of a scenario whose name begins so. */
const figureOf = (run: Run, scenario: string, name: string) => {
  const found = run.outcomes
    .find((outcome) => outcome.scenario === scenario)
    ?.figures.find((figure) => figure.name.startsWith(name))
  if (found === undefined) throw new Error(`the run of ${run.date} has no figure ${scenario}: ${name}`)
  return found
}

/** Microseconds of an event from the cores that `end-to-end` says each part has used. */
const partCost = (run: Run, mix: string, part: string): number => {
  const { measured, note } = figureOf(run, "end-to-end", `${mix}: in Postgres and Redis`)
  const cores = new RegExp(`\\b${part} (\\d+\\.\\d+)`).exec(note)?.[1]
  if (cores === undefined) throw new Error(`${note} names no cores of ${part}`)
  return (1e6 * Number(cores)) / measured
}

/** Events a second that one HTTP thread makes durable, each in a request of its own, when nothing else is done. */
const httpLimit = (run: Run): number =>
  figureOf(run, "ingest", "single POSTs, only accepting: durable").measured

const costsOf = (run: Run, mix: string): Costs => {
  const http = 1e6 / httpLimit(run)
  return {
    http,
    actors: partCost(run, mix, "node") - http,
    redis: partCost(run, mix, "redis"),
    postgres: partCost(run, mix, "postgres"),
  }
}

const sum = ({ http, actors, redis, postgres }: Costs): number => http + actors + redis + postgres

const us = (value: number): string => value.toFixed(1)
const whole = (value: number): string => Math.round(value).toLocaleString("en-US")
/** Two significant digits: what is planned is not known better. */
const about = (value: number): string => Number(value.toPrecision(2)).toLocaleString("en-US")

const costsTable = (run: Run): string => {
  const [without, withIds] = [costsOf(run, "without ids"), costsOf(run, "with ids")]
  const row = (part: string, of: (costs: Costs) => number, from: string) => [
    part,
    us(of(without)),
    us(of(withIds)),
    from,
  ]
  return markdownTable(
    ["part", "µs an event", "µs, with an id", "from"],
    [
      row(
        "HTTP thread",
        ({ http }) => http,
        `1 s ÷ ${whole(httpLimit(run))}, the rate of a node that only accepts (\`ingest\`)`,
      ),
      row(
        "actors' thread, and V8's helpers",
        ({ actors }) => actors,
        "the node's cores ÷ the rate (`end-to-end`), less the line above",
      ),
      row("Redis", ({ redis }) => redis, "its cores ÷ the rate (`end-to-end`)"),
      row("Postgres, all its processes", ({ postgres }) => postgres, "its cores ÷ the rate (`end-to-end`)"),
      row("**all**", sum, "sum"),
    ],
  )
}

const limitsTable = (run: Run): string => {
  const { http, actors, redis, postgres } = costsOf(run, "without ids")
  const row = (part: string, cost: number, past: string) => [part, us(cost), about(1e6 / cost), past]
  return markdownTable(
    ["part", "µs an event", "events a second when it is full", "past it"],
    [
      row("an HTTP thread", http, "`HTTP_THREADS`, then nodes; or batches"),
      row("an actors' thread", actors, "nodes, up to `PARTITIONS`"),
      row("one Redis", redis, "a cluster: partitions are spread over its masters"),
      row("one core of Postgres", postgres, "its other cores: partitions are written side by side"),
    ],
  )
}

const machinesTable = (run: Run): string => {
  const costs = costsOf(run, "without ids")
  return markdownTable(
    [
      "cores",
      "events a second",
      "HTTP threads",
      "nodes with actors",
      "masters of Redis",
      "cores of Postgres",
    ],
    [4, 16, 64].map((cores) => {
      const rate = (cores * PLANNED * 1e6) / sum(costs)
      const needed = (cost: number) => (rate * cost) / (PLANNED * 1e6)
      return [
        String(cores),
        about(rate),
        String(Math.ceil(needed(costs.http))),
        String(Math.ceil(needed(costs.actors))),
        String(Math.ceil(needed(costs.redis))),
        needed(costs.postgres).toFixed(1),
      ]
    }),
  )
}

/** Bytes of a stored event, and of an event's id, in Postgres. */
const bytesOf = (run: Run): readonly [event: number, id: number] => {
  const megabytes = figureOf(run, "footprint", "Postgres for 10M events").measured
  const ids = /(\d+) B an id/.exec(
    figureOf(run, "footprint", "Postgres for 10M events with ids of their own").note,
  )
  if (ids === null) throw new Error("the run does not tell what an id takes")
  return [(megabytes * 1e6) / 10e6, Number(ids[1])]
}

/** Days for which an event's id is remembered. */
const ID_DAYS = 8
const RAW_DAYS = 90

const storageTable = (run: Run): string => {
  const [event, id] = bytesOf(run)
  const gigabytes = (bytes: number) => `${about(bytes / 1e9)} GB`
  return markdownTable(
    [
      "events a second, on average",
      "events a day",
      "written a second",
      `Postgres in ${RAW_DAYS} days, ${event.toFixed(1)} B an event`,
      `ids besides, ${id} B for ${ID_DAYS} days`,
    ],
    [10, 100, 1000, 10_000].map((rate) => [
      whole(rate),
      whole(rate * DAY_S),
      `${about((rate * event) / 1000)} kB`,
      gigabytes(rate * DAY_S * RAW_DAYS * event),
      gigabytes(rate * DAY_S * ID_DAYS * id),
    ]),
  )
}

/** The figures that the document's sentences refer to. */
const USED: ReadonlyArray<readonly [scenario: string, name: string]> = [
  ["ingest", "POSTs of 100: durable"],
  ["ingest", "POSTs of 1,000: durable"],
  ["latency", "POST to answer, p99, at 50 %"],
  ["latency", "POST to answer, p99, at 80 %"],
  ["fanout", "10,000 clients: publish to the last one"],
  ["footprint", "Postgres for 10M events"],
  ["footprint", "CPU idle"],
  ["footprint", "resident memory idle"],
]

const usedTable = (run: Run): string =>
  markdownTable(
    ["figure", "measured"],
    USED.map(([scenario, name]) => {
      const { name: whole, measured, unit } = figureOf(run, scenario, name)
      return [`\`${scenario}\`: ${whole}`, `${about(measured)} ${unit}`]
    }),
  )

/** What `scale` has found; it says what is missing when it was not run. */
const scaleTable = (run: Run): string => {
  const figures = run.outcomes.find(({ scenario }) => scenario === "scale")?.figures ?? []
  if (figures.length === 0) return "The newest full run did not measure this. `npm run bench -- scale` does."
  return markdownTable(
    ["figure", "measured", "parts"],
    figures.map(({ name, measured, unit, note }) => [name, `${about(measured)} ${unit}`, note]),
  )
}

/** The document's generated parts, by their markers. */
export const sizingTables = (): Readonly<Record<string, string>> => {
  const run = newestRun(RESULTS)
  if (run === null) throw new Error("no full run has been recorded yet")
  return {
    costs: costsTable(run),
    limits: limitsTable(run),
    machines: machinesTable(run),
    storage: storageTable(run),
    used: usedTable(run),
    scale: scaleTable(run),
  }
}

if (import.meta.main) printOrWrite(DOCUMENT, sizingTables())
