/**
 * Every metric, once: its name, labels and meaning. `docs/metrics.md` lists the same and a test compares them.
 * Each thread has its own registry; a scrape merges them.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client"
import { BOT_KINDS } from "../domain/dimensions.ts"
import { KNOWN_TYPES } from "../domain/event.ts"
import { CURRENT_VISITOR_MS } from "../domain/limits.ts"
import { MINUTE_MS } from "../domain/time.ts"
import { BoundedLabel } from "./boundedLabel.ts"
import { SeriesHistogram } from "./seriesHistogram.ts"

/** Seconds; from a fast Redis reply to a stuck store. */
const STORE_BUCKETS = [0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]
/** Seconds; from a cached response to a large export. */
const REQUEST_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/** Why an event is dead-lettered; see `Poison` in actors/verdict.ts. */
const DEAD_LETTER_REASONS = ["unreadable", "rejected", "fatal"] as const
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number]

const LETTER_TYPES = ["motivation", "anti_motivation", "other"]
const STORES = ["redis", "postgres"]
/** How retention deletes; see `METHOD_NAMES` in events/retention. */
const RETENTION_PATHS = ["cursor", "partition"]

/**
 * Gives a counter its known label values from the first scrape on: to `increase()` and `rate()`, the first step of a series that was
 * not there before is none.
 */
const fromZero = (
  counter: { readonly labels: (value: string) => { readonly inc: (by: number) => void } },
  values: Iterable<string>,
): void => {
  for (const value of values) counter.labels(value).inc(0)
}

/** The modes of a running partition actor; see `Mode` in actors/mode.ts. */
const ACTOR_MODES = ["takeover", "reading", "committing", "waiting", "isolating", "careful"] as const
export type ActorModeLabel = (typeof ACTOR_MODES)[number]

/** What metrics call the thread that a process begins with. */
const MAIN_THREAD = "main"

/** The metrics of one thread. They are exact: each counter is incremented in one place, after the event it counts. */
export class Metrics {
  readonly registry = new Registry()
  readonly eventTypeLabel = new BoundedLabel({
    known: KNOWN_TYPES,
    onEvicted: (event_type) => this.events.remove({ event_type }),
  })
  readonly pathLabel = new BoundedLabel({ onEvicted: (path) => this.pageViews.remove({ path }) })
  readonly themeLabel = new BoundedLabel()

  readonly visitors: Counter
  readonly letters: Counter<"type">
  readonly events: Counter<"event_type">
  readonly pageViews: Counter<"path">
  readonly eventsRejected: Counter<"reason">
  readonly botEvents: Counter<"kind">
  readonly geoDatabaseBuilt: Gauge

  readonly currentVisitors: Gauge
  readonly websocketConnections: Gauge
  readonly conversionRate: Gauge
  readonly themeViews: Gauge<"theme">

  readonly requestDuration: SeriesHistogram<"endpoint" | "method" | "status">
  readonly redisDuration: Histogram<"operation">
  readonly postgresDuration: Histogram<"query_type">

  readonly eventsAccepted: Counter
  readonly appendBatchSize: Histogram
  readonly backlog: Gauge<"partition">
  readonly oldestEventAge: Gauge<"partition">
  readonly deadLetters: Gauge<"partition">
  readonly batchSize: Histogram
  readonly batchDuration: Histogram
  readonly redeliveries: Counter
  readonly duplicates: Counter
  readonly erasedEvents: Counter
  readonly deadLettered: Counter<"reason">
  readonly batchRetries: Counter<"store">
  readonly actorRestarts: Counter
  readonly partitionsOwned: Gauge
  readonly actorModes: Gauge<"mode">
  readonly websocketMessages: Counter<"direction">
  readonly websocketDropped: Counter<"reason">
  readonly liveEventsOmitted: Counter
  readonly storeUp: Gauge<"store">
  readonly figuresLost: Gauge<"partition">
  readonly figureLosses: Counter
  readonly compactedChunks: Counter
  readonly retentionRows: Counter<"path">
  readonly retentionDuration: Gauge
  readonly retentionLastSuccess: Gauge
  readonly retentionDue: Gauge
  /** Requests that this thread has taken: a plain number, because each one counts. */
  requestsTaken = 0
  readonly httpRequests: Counter<"thread">
  readonly threadCpu: Counter<"thread">
  readonly httpThreadRestarts: Counter

  /** Every name starts with `prefix`. Long: a list of metrics. */
  constructor(prefix: string, thread = MAIN_THREAD) {
    const registers = [this.registry]
    const counter = <L extends string = never>(
      name: string,
      help: string,
      labelNames: ReadonlyArray<L> = [],
    ) => new Counter<L>({ name: prefix + name, help, labelNames: [...labelNames], registers })
    const gauge = <L extends string = never>(name: string, help: string, labelNames: ReadonlyArray<L> = []) =>
      new Gauge<L>({ name: prefix + name, help, labelNames: [...labelNames], registers })
    const histogram = <L extends string = never>(
      name: string,
      help: string,
      buckets: ReadonlyArray<number>,
      labelNames: ReadonlyArray<L> = [],
    ) =>
      new Histogram<L>({
        name: prefix + name,
        help,
        labelNames: [...labelNames],
        buckets: [...buckets],
        registers,
      })

    this.visitors = counter("visitors_total", "Unique visitors, counted once per site and day.")
    this.letters = counter("letters_generated_total", "Letters generated.", ["type"])
    this.events = counter("events_total", "Events counted, by the node that applied them.", ["event_type"])
    this.pageViews = counter("page_views_total", "Page views counted.", ["path"])
    this.eventsRejected = counter("events_rejected_total", "Events refused, by reason.", ["reason"])
    this.botEvents = counter(
      "bot_events_total",
      "Events of bots, and of hosts that are none of a site, that were stored, marked and left out of every other figure.",
      ["kind"],
    )
    fromZero(this.botEvents, BOT_KINDS)
    // Each HTTP thread has read it; added up, it would be no time.
    this.geoDatabaseBuilt = new Gauge({
      name: `${prefix}geo_database_build_timestamp_seconds`,
      help: "Unix time at which the database of places was made; 0 where there is none.",
      aggregator: "max",
      registers,
    })

    this.currentVisitors = gauge(
      "current_visitors",
      `Visitors seen in the last ${CURRENT_VISITOR_MS / MINUTE_MS} minutes, all sites.`,
    )
    this.websocketConnections = gauge("websocket_connections", "Open WebSocket connections of this node.")
    this.conversionRate = gauge("conversion_rate", "Letters per unique visitor today, all sites.")
    this.themeViews = gauge("cv_theme_views", "Views of the most viewed CV themes, all time and sites.", [
      "theme",
    ])

    this.requestDuration = new SeriesHistogram({
      name: `${prefix}analytics_request_duration_seconds`,
      help: "Time from a request's headers to the end of its response.",
      labelNames: ["endpoint", "method", "status"],
      buckets: REQUEST_BUCKETS,
      registers,
    })
    this.redisDuration = histogram(
      "redis_operation_duration_seconds",
      "Time for a Redis operation.",
      STORE_BUCKETS,
      ["operation"],
    )
    this.postgresDuration = histogram(
      "database_query_duration_seconds",
      "Time for a Postgres query or transaction.",
      STORE_BUCKETS,
      ["query_type"],
    )

    this.eventsAccepted = counter("events_accepted_total", "Events made durable in a stream by this node.")
    this.appendBatchSize = histogram(
      "append_batch_size",
      "Events appended by one script call.",
      [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    )
    this.backlog = gauge("stream_backlog", "Events waiting in a partition's stream.", ["partition"])
    this.oldestEventAge = gauge(
      "stream_oldest_event_age_seconds",
      "Age of the oldest event waiting in a partition's stream; 0 when there is none.",
      ["partition"],
    )
    this.deadLetters = gauge("dead_letters", "Events in a partition's dead-letter stream.", ["partition"])
    this.batchSize = histogram("batch_size", "Events in a batch.", [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])
    this.batchDuration = histogram(
      "batch_duration_seconds",
      "Time for a batch, from read to applied.",
      STORE_BUCKETS,
    )
    this.redeliveries = counter("redeliveries_total", "Events met again after a batch was interrupted.")
    this.duplicates = counter(
      "duplicates_total",
      "Events not counted because their id had been counted before.",
    )
    this.erasedEvents = counter(
      "erased_events_total",
      "Events not counted because their site was erased while they waited.",
    )
    this.deadLettered = counter("dead_lettered_total", "Events moved to a dead-letter stream.", ["reason"])
    this.batchRetries = counter("batch_retries_total", "Batches retried because a store was unavailable.", [
      "store",
    ])
    this.actorRestarts = counter(
      "actor_restarts_total",
      "Restarts of partition actors, or of their thread, after a failure.",
    )
    this.partitionsOwned = gauge("partitions_owned", "Partitions this node owns.")
    this.actorModes = gauge("partition_actors", "Partition actors of this node, by what they are doing.", [
      "mode",
    ])
    for (const mode of ACTOR_MODES) this.actorModes.set({ mode }, 0)
    fromZero(this.letters, LETTER_TYPES)
    fromZero(this.events, KNOWN_TYPES)
    fromZero(this.deadLettered, DEAD_LETTER_REASONS)
    fromZero(this.batchRetries, STORES)
    this.websocketMessages = counter("websocket_messages_total", "WebSocket messages.", ["direction"])
    this.websocketDropped = counter("websocket_dropped_total", "WebSocket connections closed or refused.", [
      "reason",
    ])
    this.liveEventsOmitted = counter(
      "live_events_omitted_total",
      "Events that dashboards, on average, saw only as sums because the live feed's budget was spent.",
    )
    this.storeUp = gauge(
      "store_up",
      "Whether a store would take an event, by this node's own try: 1, else 0.",
      ["store"],
    )
    this.figuresLost = gauge(
      "figures_lost",
      "Whether Redis lacks figures of a partition that Postgres has events for: 1 until it has been rebuilt, else 0.",
      ["partition"],
    )
    this.figureLosses = counter(
      "figure_losses_total",
      "Times that a takeover found that Redis had lost figures of a partition.",
    )
    this.compactedChunks = counter(
      "compacted_chunks_total",
      "Small chunks of raw events merged into larger ones.",
    )
    this.retentionRows = counter(
      "retention_rows_total",
      "Expired events deleted, in batches (cursor) or with their day table (partition).",
      ["path"],
    )
    fromZero(this.retentionRows, RETENTION_PATHS)
    this.retentionDuration = gauge(
      "retention_duration_seconds",
      "Duration of this node's last retention run.",
    )
    this.retentionLastSuccess = gauge(
      "retention_last_success_timestamp_seconds",
      "Unix time of the deployment's last successful retention run, by schedule or command; 0 before the first.",
    )
    this.retentionDue = gauge(
      "retention_due_timestamp_seconds",
      "Unix time at which the first retention run is due, or was, that has not succeeded yet.",
    )
    /** A counter of what this thread has done or used so far, which is read at each scrape. */
    const ofThread = (name: string, help: string, soFar: () => number) =>
      new Counter({
        name: prefix + name,
        help,
        labelNames: ["thread"],
        registers,
        collect() {
          this.reset()
          this.inc({ thread }, soFar())
        },
      })
    this.httpRequests = ofThread(
      "http_requests_total",
      "Requests, by the thread that has taken them.",
      () => this.requestsTaken,
    )
    this.threadCpu = ofThread(
      "thread_cpu_seconds_total",
      "Processor time of this node's threads, without that of V8's helpers.",
      () => {
        const { user, system } = process.threadCpuUsage()
        return (user + system) / 1_000_000
      },
    )
    this.httpThreadRestarts = counter(
      "http_thread_restarts_total",
      "Restarts of threads that take requests, after a failure.",
    )
  }
}
