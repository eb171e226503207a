/** `npm run chaos`: tests the promises with experiments that anyone can repeat. */
import { appendFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { readArguments, UsageError, wholeNumber } from "../../src/config/arguments.ts"
import { MINUTE_MS } from "../../src/domain/time.ts"
import { newFolder, removeFoldersOfKilledRuns } from "../support/temporaryFolder.ts"
import { experimentFolder, type Outcome, runExperiment } from "./experiment.ts"
import { FAULTS, type Fault, faultsOf } from "./faults.ts"
import { removeNamespacesOfKilledRuns } from "./network.ts"
import { REPLICAS, TOPOLOGIES, type Topology } from "./redis.ts"
import { useRedis } from "./redisProgram.ts"

const HELP = `Usage: npm run chaos -- [fault …] [options]

Starts nodes with a Redis and a PostgreSQL of their own, sends events to them, and lets faults strike at moments drawn
from a seed. Then the faults end, the streams drain, and everything that was acknowledged is compared with the rows,
every figure, the REST answers and the counters. Without a fault: all of them, on one node and on two, in half an hour.

  --seed <N>        the same seed rolls the same dice (default: drawn, and printed)
  --nodes <N>       nodes (default: one, then two)
  --seconds <N>     how long each fault strikes (default: what the fault needs)
  --minutes <N>     start no further experiment after this many (default 40)
  --topology <name> single (default), cluster (3 masters, each with a replica) or sentinel (a master, 2 replicas, 3 Sentinels)
  --replicas <N>    with Sentinels, how many replicas the master has: 1 or 2 (default 2)
  --ack-replicas <N> the nodes' ACK_REPLICAS (default 0): with less than all replicas a failover may lose events, which is measured
  --redis <path>    a server's program, or the root folder of a system that has one, in place of this machine's
  --fsync <mode>    Redis' appendfsync: always (default) or everysec, under which a killed Redis may lose events
  --json <file>     append each outcome as a line
  --keep            keep logs and data, and say where
  --quiet           only print outcomes
  --help            this text

Faults:
${FAULTS.map(({ name, what, topologies }) => `  ${name.padEnd(22)}${what}${topologies === undefined ? "" : ` (${topologies.join(", ")})`}`).join("\n")}

Exit code: 0 if every promise was kept, 1 if any was not, 2 if used incorrectly.`

const OPTIONS = {
  seed: { type: "string" },
  nodes: { type: "string" },
  seconds: { type: "string" },
  minutes: { type: "string", default: "40" },
  topology: { type: "string", default: "single" },
  replicas: { type: "string" },
  "ack-replicas": { type: "string", default: "0" },
  redis: { type: "string" },
  fsync: { type: "string", default: "always" },
  json: { type: "string" },
  keep: { type: "boolean", default: false },
  quiet: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const

const faultOf = (topology: Topology, name: string): Fault => {
  const fault = faultsOf(topology).find((each) => each.name === name)
  if (fault !== undefined) return fault
  const elsewhere = FAULTS.some((each) => each.name === name) ? ` with the topology ${topology}` : ""
  throw new UsageError(`There is no fault ${name}${elsewhere}; see --help.`)
}

const topologyOf = (name: string): Topology => {
  const topology = TOPOLOGIES.find((each) => each === name)
  if (topology === undefined)
    throw new UsageError(`--topology is ${name}: it should be ${TOPOLOGIES.join(", ")}.`)
  return topology
}

const describe = ({ fault, nodes, seed, verdict, ...outcome }: Outcome): string =>
  [
    `${outcome.ok ? "kept  " : "BROKEN"} ${fault.padEnd(22)} ${outcome.redis} nodes ${nodes} seed ${seed}: ${verdict.acknowledged} acknowledged, ` +
      `${verdict.lost} lost, ${verdict.lostWithRedis > 0 ? `${verdict.lostWithRedis} lost with Redis, ` : ""}${verdict.doubled} doubled, ${verdict.phantom} phantom, ${verdict.altered} altered, ` +
      `${verdict.wrongFigures.length} of ${verdict.figures} figures wrong, whole after ${outcome.secondsToWhole?.toFixed(1) ?? "∞"} s, ` +
      `${outcome.peakMemory} MiB, answers ${JSON.stringify(outcome.answers)} ${outcome.notes.join(", ")}`,
    ...outcome.broken.slice(0, 8).map((sentence) => `       ${sentence}`),
    ...verdict.wrongFigures.slice(0, 8).map((sentence) => `       ${sentence}`),
  ].join("\n")

const run = async (): Promise<number> => {
  const { values, positionals } = readArguments({ options: OPTIONS, allowPositionals: true })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const seed =
    values.seed === undefined
      ? Math.floor(Math.random() * 2 ** 32)
      : wholeNumber("seed", values.seed, 0, 2 ** 32 - 1)
  const nodes = values.nodes === undefined ? [1, 2] : [wholeNumber("nodes", values.nodes, 1, 4)]
  const fsync = values.fsync === "always" || values.fsync === "everysec" ? values.fsync : null
  if (fsync === null) throw new UsageError(`--fsync is ${values.fsync}: it should be always or everysec.`)
  const milliseconds =
    values.seconds === undefined ? null : wholeNumber("seconds", values.seconds, 1, 3600) * 1000
  const until = performance.now() + wholeNumber("minutes", values.minutes, 1, 10_000) * MINUTE_MS
  const topology = topologyOf(values.topology)
  if (values.replicas !== undefined && topology !== "sentinel")
    throw new UsageError(`--replicas is for the topology sentinel: a master has ${REPLICAS[topology]} here.`)
  const replicas =
    values.replicas === undefined ? REPLICAS[topology] : wholeNumber("replicas", values.replicas, 1, 2)
  const ackReplicas = wholeNumber("ack-replicas", values["ack-replicas"], 0, replicas)
  const faults =
    positionals.length === 0 ? faultsOf(topology) : positionals.map((name) => faultOf(topology, name))
  removeFoldersOfKilledRuns()
  removeNamespacesOfKilledRuns()
  const base = newFolder()
  if (values.redis !== undefined) useRedis(values.redis, join(base, "bin"))
  const outcomes: Array<Outcome> = []
  let failed = 0
  let skipped = 0
  console.log(`seed ${seed}`)
  for (const fault of faults) {
    const missing = fault.missing?.(process.cwd()) ?? null
    if (missing !== null) {
      console.log(`skipped ${fault.name}: ${missing}`)
      skipped++
      continue
    }
    for (const count of nodes) {
      if (performance.now() > until) {
        console.log("The time is over; what is left was not run.")
        return 1
      }
      const folder = experimentFolder(base, fault.name, count, seed)
      const outcome = await runExperiment({
        ...{ fault, seed, nodes: count, folder, fsync, milliseconds, topology, replicas, ackReplicas },
        root: process.cwd(),
        print: (line) => values.quiet || console.log(`  ${line}`),
      }).catch((error: unknown) => {
        failed++
        console.log(`FAILED ${fault.name}: ${error instanceof Error ? error.stack : error}`)
        return null
      })
      if (outcome === null) continue
      outcomes.push(outcome)
      console.log(describe(outcome))
      if (values.json !== undefined) appendFileSync(values.json, `${JSON.stringify(outcome)}\n`)
      if (!values.keep) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    }
  }
  if (values.keep) console.log(`Logs and data: ${base}`)
  else rmSync(base, { recursive: true, force: true, maxRetries: 5 })
  const kept = outcomes.filter(({ ok }) => ok).length
  console.log(
    `${kept} kept, ${outcomes.length - kept} broken, ${failed} could not be run${skipped > 0 ? `, ${skipped} faults skipped` : ""}`,
  )
  return failed === 0 && kept === outcomes.length ? 0 : 1
}

try {
  process.exitCode = await run()
} catch (error) {
  console.error(error instanceof Error ? (error instanceof UsageError ? error.message : error.stack) : error)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
