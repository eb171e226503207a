/**
 * `fanout`: thousands of dashboards, taking turns with a bare uWebSockets.js server that publishes a frame of the same
 * size to as many clients. A broadcast is timed from its publication (in Redis, where every node's hub picks it up)
 * until the last client has it. One client in a hundred has stopped reading.
 */
import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import type { LiveEvent } from "../../src/domain/frames.ts"
import { API_PATH } from "../../src/domain/paths.ts"
import { encodeDelta } from "../../src/live/delta.ts"
import { deploymentKey, liveChannel } from "../../src/stores/redisKeys.ts"
import { machineNow } from "../load/clock.ts"
import { connectDashboards, type Dashboards } from "../load/openLoop.ts"
import {
  atMost,
  byScale,
  type Context,
  check,
  type Findings,
  figure,
  median,
  type Scenario,
} from "../scenario.ts"
import { type Child, startBare } from "../server/child.ts"
import { DEFAULTS, SITE } from "../server/defaults.ts"
import { type BenchNode, startNode } from "../server/node.ts"
import { residentBytes } from "../server/processes.ts"
import { openStores, type Stores } from "../server/stores.ts"

const MB = 1e6
const SLOW_PART = 0.01
/** Time for the first figures of every client after the last one has connected, milliseconds. */
const SETTLE_MS = 500
const PAUSE_MS = 50

interface Subject {
  readonly context: Context
  readonly node: BenchNode
  readonly stores: Stores
  readonly bare: Child & { readonly port: number }
}

const liveEvent = (): LiveEvent => ({
  site: SITE,
  type: "page_view",
  visitor_id: randomUUID(),
  timestamp: new Date().toISOString(),
  page_url: "https://example.org/cv?theme=backend",
  data: { marker: randomUUID() },
})

const markerOf = (event: LiveEvent): string => String(event.data?.marker)

/** From publishing in Redis to the last client, milliseconds. */
const throughProduct = async (stores: Stores, dashboards: Dashboards): Promise<number> => {
  const event = liveEvent()
  const { last } = await dashboards.expect(markerOf(event))
  const deployment = await stores.redis.hget(deploymentKey(DEFAULTS.redisKeyPrefix), "id")
  const delta = encodeDelta(deployment ?? "", { events: [event], omitted: {}, counted: {} })
  const at = machineNow()
  await stores.redis.publish(liveChannel(DEFAULTS.redisKeyPrefix), delta)
  return (await last) - at
}

const throughBare = async (bare: Child, dashboards: Dashboards): Promise<number> => {
  const event = liveEvent()
  const { last } = await dashboards.expect(markerOf(event))
  const at = machineNow()
  bare.send({ publish: JSON.stringify(event) })
  return (await last) - at
}

/** From an event's POST to the last client, milliseconds. */
const fromPost = async (node: BenchNode, dashboards: Dashboards): Promise<number> => {
  const marker = randomUUID()
  const { last } = await dashboards.expect(marker)
  const at = machineNow()
  const response = await fetch(`${node.url}${API_PATH}/event`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ event_type: "page_view", page_url: "/cv", event_data: { marker } }),
  })
  if (response.status !== 201) throw new Error(`an event was answered ${response.status}`)
  await response.arrayBuffer()
  return (await last) - at
}

interface Step {
  readonly clients: number
  readonly connectMs: number
  readonly bytesEach: number
  readonly product: number
  readonly bare: number
  readonly post: number
  readonly lost: number
  readonly slowLost: number
  readonly resident: number
}

const step = async (
  { context, node, stores, bare }: Subject,
  clients: number,
  rounds: number,
): Promise<Step> => {
  const slow = Math.ceil(clients * SLOW_PART)
  const before = residentBytes(node.pid)
  const dashboards = await connectDashboards(context, {
    url: node.webSocketUrl,
    clients,
    slow,
  })
  await sleep(SETTLE_MS)
  const resident = residentBytes(node.pid)
  const bareClients = await connectDashboards(context, { url: `ws://127.0.0.1:${bare.port}/`, clients, slow })
  const product: Array<number> = []
  const plain: Array<number> = []
  const post: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    plain.push(await throughBare(bare, bareClients))
    await sleep(PAUSE_MS)
    product.push(await throughProduct(stores, dashboards))
    await sleep(PAUSE_MS)
    if (round % 4 === 0) post.push(await fromPost(node, dashboards))
    await sleep(PAUSE_MS)
  }
  const { lost, slowLost } = await dashboards.collect()
  dashboards.end()
  bareClients.end()
  const result = {
    clients,
    connectMs: dashboards.connectMs,
    bytesEach: (resident - before) / clients,
    product: median(product),
    bare: median(plain),
    post: median(post),
    lost,
    slowLost,
    resident,
  }
  context.say(
    `${clients} clients: ${result.product.toFixed(1)} ms to the last, bare ${result.bare.toFixed(1)} ms, connected in ${Math.round(result.connectMs)} ms`,
  )
  return result
}

const run = async (context: Context): Promise<Findings> => {
  const node = await startNode(context)
  const stores = openStores(context, node)
  const bare = await startBare(context)
  const sizes = byScale(context, { full: [50, 1000, 10_000], quick: [50, 1000, 10_000], smoke: [20, 100] })
  const rounds = byScale(context, { full: 25, quick: 9, smoke: 2 })
  const steps: Array<Step> = []
  for (const clients of sizes) steps.push(await step({ context, node, stores, bare }, clients, rounds))
  const name = (clients: number) => `${clients.toLocaleString("en-US")} clients`
  return {
    figures: steps.flatMap((each) => [
      figure(
        `${name(each.clients)}: publish to the last one`,
        each.product,
        "ms",
        null,
        `bare server: ${each.bare.toFixed(1)} ms; from an event's POST: ${each.post.toFixed(1)} ms; medians`,
      ),
      figure(
        `${name(each.clients)}: of what a bare publish takes`,
        each.product / each.bare,
        "×",
        each.clients === 10_000 ? atMost(1.15) : null,
      ),
      figure(`${name(each.clients)}: all connected after`, each.connectMs, "ms"),
      figure(
        `${name(each.clients)}: memory of each`,
        each.bytesEach / 1000,
        "kB",
        null,
        `the node's resident memory with all: ${(each.resident / MB).toFixed(0)} MB`,
      ),
    ]),
    checks: [
      check(
        "reading clients lost",
        0,
        steps.reduce((sum, { lost }) => sum + lost, 0),
      ),
    ],
    plots: [
      {
        title: "Publish to the last client",
        over: "time",
        unit: "ms",
        xUnit: "clients",
        series: [
          { name: "product", points: steps.map(({ clients, product }) => [clients, product] as const) },
          { name: "bare server", points: steps.map(({ clients, bare: plain }) => [clients, plain] as const) },
        ],
      },
    ],
    remarks: [],
  }
}

export const fanout: Scenario = {
  name: "fanout",
  title: "One event to dashboards by the thousand, beside a bare uWebSockets.js publish; some read slowly",
  run,
}
