/** `npm run soak`: hours of steady load, watched for drift in memory, handles, backlog and latency, then compared. */
import { readdirSync, rmSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { HOUR_MS } from "../../src/domain/time.ts"
import { newFolder } from "../support/temporaryFolder.ts"
import { experimentFolder, runExperiment } from "./experiment.ts"
import { PARTITIONS, PREFIX } from "./world.ts"

const { values } = parseArgs({
  options: {
    hours: { type: "string", default: "1" },
    nodes: { type: "string", default: "1" },
    seed: { type: "string" },
  },
})
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed)
const milliseconds = Number(values.hours) * HOUR_MS
const SAMPLES = 60

interface Sample {
  readonly memory: number
  readonly handles: number
  readonly backlog: number
  readonly p99: number
}

/** The relative growth from the middle third to the last; the first third is a warm-up. */
const drift = (samples: ReadonlyArray<Sample>, of: keyof Sample): number => {
  const third = Math.floor(samples.length / 3)
  const mean = (from: number, to: number) =>
    samples.slice(from, to).reduce((sum, sample) => sum + sample[of], 0) / Math.max(1, to - from)
  const before = mean(third, 2 * third)
  return before === 0 ? 0 : (mean(2 * third, samples.length) - before) / before
}

console.log(`seed ${seed}`)
const base = newFolder()
const samples: Array<Sample> = []
const outcome = await runExperiment({
  fault: {
    name: "soak",
    what: "nothing, for long",
    counters: true,
    // Few enough events to be compared even after days.
    load: { senders: 2, pause: 100, batch: 10 },
    strike: async ({ world, journal }) => {
      const end = performance.now() + milliseconds
      while (performance.now() < end) {
        journal.latencies.length = 0
        await sleep(Math.min(milliseconds / SAMPLES, end - performance.now()))
        const sorted = journal.latencies.toSorted((a, b) => a - b)
        const node = world.seats[0]?.node
        const backlog = await world.stores.redis.use(async (redis) => {
          let sum = 0
          for (let p = 0; p < PARTITIONS; p++) sum += await redis.xlen(`${PREFIX}:{${p}}:events`)
          return sum
        })
        const sample = {
          memory: Math.round(node?.memory() ?? 0),
          handles: node === undefined ? 0 : readdirSync(`/proc/${node.pid}/fd`).length,
          backlog,
          p99: Math.round((sorted[Math.floor(sorted.length * 0.99)] ?? 0) * 10) / 10,
        }
        samples.push(sample)
        world.log(JSON.stringify(sample))
      }
    },
  },
  ...{ seed, nodes: Number(values.nodes), root: process.cwd(), fsync: "always", milliseconds },
  ...{ topology: "single", replicas: 0, ackReplicas: 0 },
  folder: experimentFolder(base, "soak", Number(values.nodes), seed),
  print: (line) => console.log(`  ${line}`),
})
rmSync(base, { recursive: true, force: true, maxRetries: 5 })
const drifts = {
  memory: drift(samples, "memory"),
  handles: drift(samples, "handles"),
  p99: drift(samples, "p99"),
}
const flat = drifts.memory < 0.15 && drifts.handles < 0.1
console.log(JSON.stringify({ ok: outcome.ok, verdict: outcome.verdict, broken: outcome.broken, drifts }))
console.log(outcome.ok && flat ? "kept" : "BROKEN")
process.exitCode = outcome.ok && flat ? 0 : 1
