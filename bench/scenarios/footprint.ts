/** `footprint`: memory and disk for data, memory and CPU of the processes, and the time to start. */
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { LATE_WINDOW_MS } from "../../src/domain/lateWindow.ts"
import { MAX_BATCH_EVENTS } from "../../src/domain/limits.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { runSlice } from "../load/closedLoop.ts"
import { prepareCorpus } from "../load/corpus.ts"
import { CONNECTIONS } from "../load/passage.ts"
import { postBatches } from "../load/post.ts"
import {
  atMost,
  byScale,
  type Context,
  check,
  type Figure,
  type Findings,
  figure,
  type Scenario,
  seconds,
} from "../scenario.ts"
import { loadPast, pastDays, storeOfThePast } from "../server/commands.ts"
import { DEFAULTS } from "../server/defaults.ts"
import { type BenchNode, startNode } from "../server/node.ts"
import {
  type ByPart,
  coresUsed,
  cpuOf,
  inParts,
  memoryOf,
  peak,
  type Sample,
  startSampler,
} from "../server/sampler.ts"
import { keyBytes, redisBytes, tableSizes, totalBytes } from "../server/sizes.ts"
import { openStores, type Stores } from "../server/stores.ts"

const MB = 1e6
const TEN_MILLION = 10_000_000
const MILLION = 1_000_000
/** How long a newly started node settles before it counts as idle, milliseconds. */
const SETTLE_MS = 30_000
/** Days for which ids of senders are kept, and days for which events are. */
const KEY_DAYS = LATE_WINDOW_MS / DAY_MS
const RETENTION_DAYS = DEFAULTS.retentionDays
/** Share of the events to load again with ids, over the same share of the days, so that events per day are equal. */
const WITH_IDS = 0.05

/** Percent of a core that each part used between the first sample and the last one. */
const cpuOfSamples = (samples: ReadonlyArray<Pick<Sample, "cpu">>, duration: number): ByPart => {
  const { node, redis, postgres } = coresUsed(samples, duration)
  return { node: 100 * node, redis: 100 * redis, postgres: 100 * postgres }
}

const idle = async (context: Context, node: BenchNode): Promise<ReadonlyArray<Figure>> => {
  await sleep(byScale(context, { full: SETTLE_MS, quick: SETTLE_MS / 6, smoke: 200 }))
  const duration = seconds(context, { full: 30, quick: 10, smoke: 1 })
  const before = { cpu: cpuOf(node) }
  await sleep(duration * 1000)
  const percent = cpuOfSamples([before, { cpu: cpuOf(node) }], duration)
  const memory = memoryOf(node)
  context.say(`idle: ${inParts(percent, 2)} % of a core; ${inParts(memory, 0)} MB`)
  return [
    figure(
      "CPU idle",
      percent.node,
      "%",
      atMost(0.7),
      `of one core, over ${duration} s; ${inParts(percent, 2)}`,
    ),
    figure("resident memory idle", memory.node, "MB", atMost(110), inParts(memory, 0)),
  ]
}

const underLoad = async (
  context: Context,
  node: BenchNode,
  stores: Stores,
): Promise<ReadonlyArray<Figure>> => {
  const corpus = prepareCorpus(context)
  const duration = seconds(context, { full: 20, quick: 8, smoke: 1 })
  const sampler = startSampler(node, stores)
  const slice = await runSlice({
    port: node.port,
    connections: CONNECTIONS,
    seconds: duration,
    corpus,
  })
  await stores.drained()
  await sampler.stop()
  const { samples } = sampler
  const percent = cpuOfSamples(samples, samples.at(-1)?.at ?? 1)
  const note = `at ${Math.round(slice.perSecond)} POSTs/s`
  return [
    figure("CPU under load", percent.node, "%", null, `${note}; ${inParts(percent, 0)} % of a core`),
    figure(
      "resident memory under load, most",
      peak(samples, ({ memory }) => memory.node),
      "MB",
      null,
      note,
    ),
  ]
}

/** Sends one event for each of a number of visitors, through the API. */
const redisOfVisitors = async (context: Context, node: BenchNode, stores: Stores) => {
  const visitors = byScale(context, { full: MILLION, quick: 200_000, smoke: 2_000 })
  const events = () => stores.figures().then((figures) => figures.events)
  const [bytesBefore, eventsBefore] = [await redisBytes(stores.redis), await events()]
  let left = visitors
  await postBatches(node.url, () => {
    const count = Math.min(left, MAX_BATCH_EVENTS)
    if (count === 0) return null
    left -= count
    return Array.from({ length: count }, () => ({
      event_type: "page_view",
      page_url: "/cv",
      visitor_id: randomUUID(),
    }))
  })
  await stores.drained()
  const active = await keyBytes(stores.redis, "*:active")
  const bytes = (await redisBytes(stores.redis)) - bytesBefore - active
  context.say(
    `${visitors} visitors: ${(bytes / MB).toFixed(1)} MB in Redis, ${(active / MB).toFixed(1)} MB of active ones`,
  )
  const whole = visitors === MILLION
  return {
    figures: [
      figure(
        `Redis for ${visitors.toLocaleString("en-US")} visitors`,
        bytes / MB,
        "MB",
        whole ? atMost(10) : null,
        `active visitors apart: ${(active / MB).toFixed(1)} MB more for five to ten minutes`,
      ),
    ],
    checks: [check("events of one visitor each, in Redis", visitors, (await events()) - eventsBefore)],
  }
}

const startUp = async (context: Context): Promise<ReadonlyArray<Figure>> => {
  const dataDir = join(context.folder, "start")
  const first = await startNode(context, { dataDir })
  await first.stop()
  const second = await startNode(context, { dataDir })
  await second.stop()
  return [
    figure(
      "first start",
      first.startMs / 1000,
      "s",
      null,
      "npm start to the banner, the stores' creation included",
    ),
    figure(
      "next start",
      second.startMs / 1000,
      "s",
      atMost(2),
      "npm start to the banner, the stores' start included",
    ),
  ]
}

/** Bytes in a loaded Postgres, by table. */
const stored = async (context: Context, dataDir: string) => {
  const node = await startNode(context, { dataDir })
  const stores = openStores(context, node)
  await stores.postgres.query("VACUUM ANALYZE")
  const sizes = await tableSizes(stores.postgres)
  const rows = await stores.rows()
  await node.stop()
  return { sizes, rows }
}

const postgresOfEvents = async (context: Context) => {
  const events = context.events ?? byScale(context, { full: TEN_MILLION, quick: MILLION, smoke: 5_000 })
  const withIds = Math.ceil(events * WITH_IDS)
  const plain = await stored(context, await storeOfThePast(context, events))
  const idsDir = join(context.folder, "ids")
  await loadPast(context, idsDir, [
    { events: withIds, fromDaysAgo: pastDays(context) * WITH_IDS, toDaysAgo: 0, ids: true },
  ])
  const own = await stored(context, idsDir)
  const keys = own.sizes.find(({ table }) => table === "idempotency_keys")?.bytes ?? 0
  const perEvent = totalBytes(plain.sizes) / events
  const perOwn = (totalBytes(own.sizes) - keys) / withIds
  const tables = plain.sizes
    .filter(({ bytes }) => bytes > 0.01 * totalBytes(plain.sizes))
    .map(({ table, bytes }) => `${table} ${(bytes / events).toFixed(1)} B`)
    .join(", ")
  const scaled = events === TEN_MILLION ? "" : ` (scaled from ${events.toLocaleString("en-US")})`
  return {
    figures: [
      figure(
        "Postgres for 10M events",
        (perEvent * TEN_MILLION) / MB,
        "MB",
        atMost(400),
        `over ${RETENTION_DAYS} days, indexes and all${scaled}; an event: ${tables}`,
      ),
      figure(
        "Postgres for 10M events with ids of their own",
        ((perOwn + (keys / withIds) * (KEY_DAYS / RETENTION_DAYS)) * TEN_MILLION) / MB,
        "MB",
        null,
        `scaled from ${withIds.toLocaleString("en-US")}: ${perOwn.toFixed(1)} B an event, ${(keys / withIds).toFixed(0)} B an id for ${KEY_DAYS.toFixed(0)} of ${RETENTION_DAYS} days`,
      ),
    ],
    checks: [
      check("rows of the loaded events", events, plain.rows),
      check("rows of those with ids", withIds, own.rows),
    ],
  }
}

const run = async (context: Context): Promise<Findings> => {
  const starts = await startUp(context)
  const node = await startNode(context)
  const stores = openStores(context, node)
  const atRest = await idle(context, node)
  const visitors = await redisOfVisitors(context, node, stores)
  const loaded = await underLoad(context, node, stores)
  await node.stop()
  const postgres = await postgresOfEvents(context)
  return {
    figures: [...starts, ...atRest, ...loaded, ...visitors.figures, ...postgres.figures],
    checks: [...visitors.checks, ...postgres.checks],
    plots: [],
    remarks: [],
  }
}

export const footprint: Scenario = {
  name: "footprint",
  title: "Memory, disk, CPU and the time to start",
  run,
}
