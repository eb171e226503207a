/**
 * Fills a data folder's Postgres with past events, in its own process. It uses the actors' batch writer and batch size,
 * so that it stores what they would have stored. Redis is left to `rebuild`.
 *
 * Arguments: an array of {@link LoadOptions} as JSON, oldest first. DATA_DIR and other settings come from the
 * environment.
 */
import { runMain } from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { BATCH_ENTRIES } from "../../src/actors/partitionActor.ts"
import { withStores } from "../../src/commands/stores.ts"
import { loadConfig } from "../../src/config/settings.ts"
import { NO_FACTS } from "../../src/domain/dimensions.ts"
import { decodeEvent, Rejection, type StreamEvent } from "../../src/domain/event.ts"
import { PageQuery } from "../../src/domain/pageQuery.ts"
import { Calendar } from "../../src/domain/period.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { partitionOf } from "../../src/domain/visitor.ts"
import { Enricher } from "../../src/enrichment/enricher.ts"
import { compact } from "../../src/events/chunks/compaction.ts"
import { type BatchEntry, makeBatchWriter } from "../../src/events/write/batchWriter.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { prepareStores } from "../../src/node/openStores.ts"
import { happening } from "../../src/tools/traffic/happenings.ts"
import { Random } from "../../src/tools/traffic/random.ts"
import {
  advance,
  makeVisitor,
  type Session,
  startSession,
  type Visitor,
} from "../../src/tools/traffic/visitors.ts"
import { SITE } from "../server/defaults.ts"
import { placeOf, screenWidthOf, tellingSender } from "./enriched.ts"

export interface LoadOptions {
  readonly events: number
  /** Events are spread evenly from this many days ago … */
  readonly fromDaysAgo: number
  /** … to this many days ago. */
  readonly toDaysAgo: number
  /** Whether events have ids. */
  readonly ids: boolean
}

/** An arbitrary constant, so that every run stores the same events. */
const SEED = 90
const SESSIONS = 200
/** Events between two messages to the parent. */
const SAY_EVERY = 1_000_000
const EVENTS_PER_VISITOR = 8
/** Visitors known at a time: about a week's worth, so that some return and most do not. */
const VISITORS = 20_000

/** Consecutive events, each a little later than the one before. */
class Past {
  readonly #random = new Random(SEED)
  readonly #visitors: Array<Visitor> = []
  readonly #sessions: Array<Session> = []
  readonly #pageQuery = new PageQuery([])
  readonly #ids: boolean
  /** Without a file of places: each visitor is somewhere. */
  readonly #enricher = new Enricher({
    places: () => ({ of: placeOf, builtAt: 0 }),
    locates: true,
    bots: "mark",
  })
  #made = 0

  constructor(ids: boolean) {
    this.#ids = ids
  }

  #visitor(): Visitor {
    const random = this.#random
    const known = this.#visitors[random.integer(0, Math.max(this.#visitors.length - 1, 0))]
    if (known !== undefined && this.#made++ % EVENTS_PER_VISITOR !== 0) return known
    const visitor = makeVisitor(random, [SITE], this.#made)
    const index = this.#visitors.length < VISITORS ? this.#visitors.length : random.integer(0, VISITORS - 1)
    this.#visitors[index] = visitor
    return visitor
  }

  next(at: number): StreamEvent {
    const random = this.#random
    const index = random.integer(0, SESSIONS - 1)
    let session = this.#sessions[index]
    if (session === undefined || session.left <= 0) {
      session = startSession(random, this.#visitor(), at)
      this.#sessions[index] = session
    }
    const { visitor, page, referrer } = session
    const known = (visitor.bodyId ?? visitor.sender.visitorHeader ?? visitor.sender.cookie)?.toLowerCase()
    const visitorId = known ?? random.uuid()
    const screen = screenWidthOf(visitorId)
    const body = { ...happening(random), page_url: `https://example.org${page}`, referrer, screen }
    advance(random, session, visitor.site)
    const event = decodeEvent(body, {
      now: at,
      sites: new Set([SITE]),
      site: SITE,
      referer: null,
      pageQuery: this.#pageQuery,
    })
    if (event instanceof Rejection) throw new Error(event.error)
    return {
      ...event,
      id: this.#ids ? random.uuid() : null,
      visitorId,
      data: event.data === null ? null : JSON.parse(event.data),
      facts: this.#enricher.factsOf(event, tellingSender(visitorId, visitor.sender.userAgent)) ?? NO_FACTS,
    }
  }
}

const spans: ReadonlyArray<LoadOptions> = JSON.parse(process.argv[2] ?? "[]")

const program = Effect.gen(function* () {
  const config = yield* loadConfig
  const stores = yield* withStores(config)
  const { postgres } = stores
  yield* prepareStores(config, stores)
  const calendar = new Calendar(config.timeZone)
  const writer = makeBatchWriter(postgres, config.sites)
  const epochs = yield* Effect.forEach(
    Array.from({ length: config.partitions }, (_, partition) => partition),
    (partition) => writer.acquireEpoch(partition),
  )
  const waiting: Array<Array<BatchEntry>> = epochs.map(() => [])
  const writes: Array<Fiber.Fiber<unknown, unknown>> = []
  let loaded = 0

  /** Waits until a partition's previous batch is written. */
  const written = (partition: number) => {
    const write = writes[partition]
    return write === undefined ? Effect.void : Fiber.join(write)
  }

  /** Hands over a partition's entries once its previous batch is written. */
  const write = Effect.fnUntraced(function* (partition: number) {
    const entries = waiting[partition] ?? []
    waiting[partition] = []
    yield* written(partition)
    const epoch = epochs[partition]?.epoch ?? 0
    writes[partition] = yield* Effect.forkChild(writer.write({ partition, epoch, entries, calendar }))
  })

  for (const { events, fromDaysAgo, toDaysAgo, ids } of spans) {
    const past = new Past(ids)
    const end = Date.now() - toDaysAgo * DAY_MS
    const begin = Date.now() - fromDaysAgo * DAY_MS
    for (let i = 0; i < events; i++) {
      const at = Math.floor(begin + ((end - begin) * i) / events)
      const event = past.next(at)
      const partition = partitionOf(event.visitorId, config.partitions)
      const entries = waiting[partition]
      entries?.push({ streamId: `${at}-${i}`, event })
      if (entries?.length === BATCH_ENTRIES) yield* write(partition)
      if (++loaded % SAY_EVERY === 0) process.send?.({ loaded })
    }
  }
  for (const partition of epochs.keys()) {
    yield* write(partition)
    yield* written(partition)
  }
  // A node has merged them long ago.
  yield* compact(postgres, {
    now: Date.now(),
    busy: false,
    metrics: new Metrics(config.metricsPrefix, "actors"),
  })
  process.disconnect?.()
})

// A signal also stops the stores that this process has started.
runMain(Effect.scoped(program))
