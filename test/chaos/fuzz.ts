/** `npm run fuzz`: a million malformed requests and frames. No crash, no 5xx, no leak. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Random } from "../../src/tools/traffic/random.ts"
import { newFolder } from "../support/temporaryFolder.ts"
import { complaintsAbout, fuzz } from "./fuzzer.ts"
import { startWorld } from "./world.ts"

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    seed: { type: "string" },
    concurrency: { type: "string", default: "48" },
  },
})
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed)
const random = new Random(seed)

console.log(`seed ${seed}`)
const base = newFolder()
const root = process.cwd()
const world = await startWorld(
  {
    ...{ folder: join(base, "fuzz"), root, newRoot: root, nodes: 1, random, env: {} },
    ...{
      topology: "single",
      replicas: 0,
      between: "nothing",
      fsync: "everysec",
      postgresMegabytes: null,
      postgresPair: false,
    },
  },
  console.log,
)
try {
  const node = world.seats[0]?.node
  if (node === undefined) throw new Error("there is no node")
  const began = performance.now()
  const count = Number(values.count)
  const report = await fuzz({
    node,
    count,
    concurrency: Number(values.concurrency),
    random,
    print: console.log,
  })
  const complaints = complaintsAbout(report)
  console.log(`answers ${JSON.stringify(report.answers)}`)
  for (const complaint of complaints) console.log(`  ${complaint}`)
  const sent = report.requests + report.frames
  console.log(
    `${complaints.length === 0 ? "kept" : "BROKEN"}: ${report.requests} requests and ${report.frames} frames ` +
      `(${Math.round(sent / ((performance.now() - began) / 1000))}/s), memory ${report.memory.join(" → ")} MiB, ` +
      `open files ${report.files.join(" → ")}`,
  )
  process.exitCode = complaints.length === 0 ? 0 : 1
} finally {
  await world.stop()
  rmSync(base, { recursive: true, force: true, maxRetries: 5 })
}
