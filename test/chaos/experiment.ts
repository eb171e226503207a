/** One experiment: senders, dashboards and a fault. Then the fault ends, the streams drain and everything is compared. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { DAY_MS } from "../../src/domain/time.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { compareIds } from "../../src/stream/id.ts"
import { Random } from "../../src/tools/traffic/random.ts"
import { eventually } from "../support/eventually.ts"
import { check, isClean, type Verdict } from "./checker.ts"
import { Dashboards } from "./dashboards.ts"
import type { Fault } from "./faults.ts"
import { Journal } from "./journal.ts"
import type { Topology } from "./redis.ts"
import { Senders, type SendersOptions } from "./senders.ts"
import { onPostgres } from "./stores.ts"
import { PARTITIONS, PREFIX, type Strike, startWorld, TIME_ZONE, type World } from "./world.ts"

export interface ExperimentOptions {
  readonly fault: Fault
  readonly seed: number
  readonly nodes: number
  /** The folder whose `src` runs. */
  readonly root: string
  readonly folder: string
  readonly fsync: "always" | "everysec"
  readonly topology: Topology
  /** How many replicas a master of Redis has. */
  readonly replicas: number
  /** `ACK_REPLICAS` of the nodes. */
  readonly ackReplicas: number
  /** How long the fault strikes, milliseconds. Default: the fault's own duration. */
  readonly milliseconds: number | null
  readonly print: (line: string) => void
  /** How long the streams may take to drain, milliseconds. */
  readonly drainWithin?: number
}

export interface Outcome {
  readonly fault: string
  readonly nodes: number
  readonly seed: number
  /** The start, ISO 8601. */
  readonly at: string
  readonly fsync: string
  readonly topology: Topology
  readonly replicas: number
  readonly ackReplicas: number
  /** Name and version of its servers. */
  readonly redis: string
  readonly verdict: Verdict
  /** Broken promises other than figures. */
  readonly broken: ReadonlyArray<string>
  /** Time from the end of the fault until every acknowledged event was applied and every node ready; `null`: never. */
  readonly secondsToWhole: number | null
  readonly answers: Readonly<Record<string, number>>
  /** The largest resident memory of a node, MiB. */
  readonly peakMemory: number
  readonly frames: number
  readonly notes: ReadonlyArray<string>
  readonly ok: boolean
}

const LOAD: SendersOptions = {
  urls: [],
  senders: 8,
  pause: 40,
  batch: 25,
  patience: 60_000,
  daysAgo: 6,
  atLeastAgo: 0,
}
const DEFAULT_MS = 14_000
/** Nothing here says how fast a machine is: these end what never comes to pass. */
const DRAIN_MS = 240_000

/** A fault finds a deployment that has acknowledged this many events, and dashboards that are told of them. */
const WARM_EVENTS = 1000
const WARM_MS = 240_000

/** Throws until the deployment is under load. */
const isUnderLoad = ({ acknowledged }: Journal, { frames }: Dashboards): void => {
  if (acknowledged < WARM_EVENTS || frames === 0)
    throw new Error(`not under load yet: ${acknowledged} events acknowledged, ${frames} frames seen`)
}

const isReady = async (url: string): Promise<boolean> => {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(10_000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

/** Waits until nothing waits, the figures are whole and every node is ready. Returns false if that takes too long. */
const becomesWhole = async (world: World, within: number): Promise<boolean> => {
  const deadline = performance.now() + within
  while (performance.now() < deadline) {
    const ready = await Promise.all(world.seats.map(({ node }) => isReady(node.url)))
    // While a replica takes over, nobody can tell.
    if (ready.every(Boolean) && (await isWhole(world).catch(() => false))) return true
    await sleep(100)
  }
  return false
}

/** Whether nothing waits in the streams, and the figures of every partition are where the rows are: what Redis lost is rebuilt. */
const isWhole = async (world: World): Promise<boolean> => {
  const stored = await onPostgres(world.stores.postgres.url, (client) =>
    client.query<{ partition: number; last_stream_id: string }>(
      "SELECT partition, last_stream_id FROM stream_partitions",
    ),
  )
  return world.stores.redis.use(async (redis) => {
    for (const { partition, last_stream_id: last } of stored.rows) {
      const { events, state } = streamKeys(PREFIX, partition)
      if ((await redis.xlen(events)) > 0) return false
      const applied = await redis.hget(state, "applied")
      if (last !== "0-0" && (applied === null || compareIds(applied, last) < 0)) return false
    }
    return true
  })
}

const serverOf = (world: World): Promise<string> =>
  world.stores.redis.use(async (redis) => {
    const info = await redis.info("server")
    const [, name, version] =
      /^(valkey)_version:(\S+)/m.exec(info) ?? /^(redis)_version:(\S+)/m.exec(info) ?? []
    return `${name} ${version}`
  })

const worldFor = (options: ExperimentOptions, random: Random): Promise<World> => {
  const { fault, folder, root, nodes, topology, replicas } = options
  mkdirSync(folder, { recursive: true })
  return startWorld(
    {
      ...{ folder, newRoot: root, nodes, random, topology, replicas },
      root: fault.root?.(root, folder) ?? root,
      env: { ACK_REPLICAS: String(options.ackReplicas), ...fault.env?.(folder) },
      between: fault.between ?? "nothing",
      replacesMaster: fault.replacesMaster ?? false,
      fsync: fault.fsync ?? options.fsync,
      postgresMegabytes: fault.postgresMegabytes ?? null,
      postgresPair: fault.postgresPair ?? false,
    },
    options.print,
  )
}

/** What the checker finds once everything is applied. */
const verdictOn = (world: World, { fault }: ExperimentOptions, strike: Strike): Promise<Verdict> =>
  check(strike.journal, {
    redis: world.stores.redis,
    databaseUrl: world.stores.postgres.url,
    prefix: PREFIX,
    partitions: PARTITIONS,
    timeZone: TIME_ZONE,
    nodeUrls: world.seats.map(({ node }) => node.url),
    counters: fault.counters ?? false,
    poison: strike.poison,
    otherDeadLetters: strike.otherDeadLetters,
    mayBeLost: strike.mayBeLost,
    keptSince: fault.retentionDays === undefined ? null : Date.now() - fault.retentionDays * DAY_MS,
  })

/** Whether a replica that becomes the master may lack what was acknowledged: any may become it that need not have everything. */
const mayLose = ({ fault, ackReplicas, replicas }: ExperimentOptions): boolean =>
  fault.replacesMaster === true && ackReplicas < replicas

/** Runs an experiment. Everything it has started is stopped when it resolves or rejects. */
export const runExperiment = async (options: ExperimentOptions): Promise<Outcome> => {
  const { fault, nodes, seed, topology, replicas, ackReplicas } = options
  const at = new Date().toISOString()
  const dice = new Random(seed)
  const world = await worldFor(options, new Random(dice.integer(0, 2 ** 32 - 1)))
  const urls = world.seats.map(({ node }) => node.url)
  const journal = new Journal()
  let peakMemory = 0
  const watch = setInterval(() => {
    for (const { node } of world.seats) peakMemory = Math.max(peakMemory, node.memory() ?? 0)
  }, 250)
  const dashboards = new Dashboards(urls, 3)
  const load = { ...LOAD, ...fault.load, urls }
  const senders = new Senders(load, journal, new Random(dice.integer(0, 2 ** 32 - 1)))
  try {
    const broken: Array<string> = []
    const notes: Array<string> = []
    await eventually(() => isUnderLoad(journal, dashboards), { timeout: WARM_MS })
    const strike: Strike = {
      world,
      journal,
      milliseconds: options.milliseconds ?? fault.milliseconds ?? DEFAULT_MS,
      poison: new Set(),
      broken: (sentence) => broken.push(sentence),
      note: (text) => notes.push(text),
      otherDeadLetters: 0,
      mayBeLost: mayLose(options) ? [{ from: 0, until: Infinity }] : [],
    }
    await fault.strike(strike)
    const mended = performance.now()
    world.log("the faults have ended")
    await senders.stop()
    const whole = await becomesWhole(world, options.drainWithin ?? DRAIN_MS)
    const seconds = whole ? (performance.now() - mended) / 1000 : null
    if (seconds === null) broken.push("it did not become whole again")
    world.log(`whole after ${seconds?.toFixed(1)} s; ${journal.acknowledged} acknowledged, comparing`)
    for (const { node } of world.seats)
      if (node.crashes > 0) broken.push(`${node.name} ended ${node.crashes} times on its own`)
    if (fault.memoryLimit !== undefined && peakMemory > fault.memoryLimit)
      broken.push(`a node took ${peakMemory.toFixed(0)} MiB`)
    broken.push(...new Set(journal.wrongAnswers))
    if (dashboards.frames === 0) broken.push("dashboards saw nothing")
    const verdict = await verdictOn(world, options, strike)
    return {
      ...{ fault: fault.name, nodes, seed, at, fsync: fault.fsync ?? options.fsync },
      ...{ topology, replicas, ackReplicas },
      redis: await serverOf(world),
      ...{ verdict, broken, secondsToWhole: seconds, answers: Object.fromEntries(journal.answers) },
      ...{ peakMemory: Math.round(peakMemory), frames: dashboards.frames, notes },
      ok: isClean(verdict) && broken.length === 0,
    }
  } finally {
    clearInterval(watch)
    senders.abandon()
    dashboards.stop()
    await world.stop()
  }
}

/** The folder of an experiment's logs and data. */
export const experimentFolder = (base: string, fault: string, nodes: number, seed: number): string =>
  join(base, `${fault}-${nodes}-${seed}`)
