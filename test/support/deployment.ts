/** A deployment of the test's own, in its process: stores, a producer, figures, and actors that can be stopped and killed. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import { onTestFinished } from "vitest"
import { runSupervisor } from "../../src/actors/supervisor.ts"
import { makeFigures } from "../../src/aggregates/figures.ts"
import { type EventFacts, NO_FACTS } from "../../src/domain/dimensions.ts"
import { decodeEvent, Rejection } from "../../src/domain/event.ts"
import { PageQuery } from "../../src/domain/pageQuery.ts"
import { decodePayload, encodePayload } from "../../src/domain/payload.ts"
import { Calendar } from "../../src/domain/period.ts"
import { partitionOf } from "../../src/domain/visitor.ts"
import { ensureDeployment } from "../../src/events/schema/deployment.ts"
import { migrate } from "../../src/events/schema/migrate.ts"
import { makeBatchWriter } from "../../src/events/write/batchWriter.ts"
import { LiveFeed } from "../../src/live/feed.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { type CertificateFiles, NO_CERTIFICATES } from "../../src/stores/certificates.ts"
import { makePostgres } from "../../src/stores/postgres.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { payloadIn } from "../../src/stream/fields.ts"
import { type AppendFailure, Producer } from "../../src/stream/producer.ts"
import { now } from "./clock.ts"
import { run, testScope } from "./effects.ts"
import { SITES } from "./events.ts"
import { PATIENCE_MS } from "./eventually.ts"
import { eventually, freshKeyPrefix, migratedDatabase, redisUrl } from "./index.ts"

export const PARTITIONS = 2

export interface DeploymentOptions {
  readonly redisUrl?: string
  /** Whether the Redis of `redisUrl` is a cluster's node. */
  readonly cluster?: boolean
  readonly certificates?: CertificateFiles
  readonly databaseUrl?: string
  readonly timeZone?: string
  readonly maxBacklog?: number
  readonly ackReplicas?: number
}

/** Prepared stores and all that works on them; nothing runs yet. */
export const freshDeployment = async (options: DeploymentOptions = {}) => {
  const { run: scoped } = testScope()
  const metrics = new Metrics("test_")
  const calendar = new Calendar(options.timeZone ?? "UTC")
  const prefix = freshKeyPrefix()
  const redisSettings = {
    url: options.redisUrl ?? redisUrl(),
    cluster: options.cluster ?? false,
    certificates: options.certificates ?? NO_CERTIFICATES,
  }
  const url = options.databaseUrl ?? (await migratedDatabase())
  const postgres = await scoped(
    makePostgres({ url, max: 8, name: "test", statementTimeoutMs: PATIENCE_MS }, metrics),
  )
  if (options.databaseUrl !== undefined) await run(migrate(postgres))
  await run(
    ensureDeployment(postgres, {
      partitions: PARTITIONS,
      timeZone: calendar.timeZone,
      sites: SITES,
    }),
  )
  const redis = await scoped(connectRedis(redisSettings, "command", "test"))
  const appends = await scoped(connectRedis(redisSettings, "append", "test"))
  await run(Effect.all([awaitReady(redis, PATIENCE_MS), awaitReady(appends, PATIENCE_MS)]))
  const failures: Array<string> = []
  const producer = new Producer({
    redis: appends,
    prefix,
    partitions: PARTITIONS,
    maxBacklog: options.maxBacklog ?? 1_000_000,
    replicas: options.ackReplicas ?? 0,
    metrics,
    onFailure: ({ message }) => failures.push(message),
  })
  const figures = makeFigures({ redis, prefix, partitions: PARTITIONS, calendar, metrics, now })

  const appendPayload = (partition: number, payload: string) =>
    new Promise<AppendFailure | null>((resolve) => producer.append(partition, payload, resolve))

  /** Sends a body as the server would; resolves when it is durable, with the reason when it is not. */
  const send = (body: { readonly [key: string]: unknown }, facts: EventFacts = NO_FACTS) => {
    const event = decodeEvent(body, {
      now: now(),
      sites: new Set(SITES),
      site: "main",
      referer: null,
      pageQuery: new PageQuery([]),
    })
    if (event instanceof Rejection) throw new Error(event.error)
    const visitorId = event.visitorId ?? randomUUID()
    return appendPayload(partitionOf(visitorId, PARTITIONS), encodePayload(event, visitorId, facts))
  }

  /** Starts a node's actors. */
  const startNode = (name: string = randomUUID()) => {
    const fiber = Effect.runFork(
      Effect.scoped(
        runSupervisor({
          node: name,
          prefix,
          partitions: PARTITIONS,
          redisSettings,
          redis,
          replicas: options.ackReplicas ?? 0,
          postgres,
          writer: makeBatchWriter(postgres, SITES),
          sites: SITES,
          calendar,
          metrics,
          live: new LiveFeed({ prefix, eventsPerSecond: 50, now }),
          now,
        }),
      ).pipe(Effect.provide(Logger.layer([]))),
    )
    const stop = () => run(Fiber.interrupt(fiber)).then(() => {})
    onTestFinished(stop)
    return { stop }
  }

  const backlog = async () => {
    const lengths = await Promise.all(
      Array.from({ length: PARTITIONS }, (_, partition) => redis.xlen(streamKeys(prefix, partition).events)),
    )
    return lengths.reduce((sum, length) => sum + length, 0)
  }

  const rowCount = async () => {
    const [row] = await run(
      postgres.query<{ count: number }>("test", "SELECT count(*)::int AS count FROM analytics_events"),
    )
    return row?.count
  }

  /** Waits until nothing waits in the streams. */
  const drained = () =>
    eventually(async () => {
      const waiting = await backlog()
      if (waiting > 0) throw new Error(`${waiting} events wait`)
    })

  return {
    scoped,
    metrics,
    calendar,
    now,
    prefix,
    redisSettings,
    databaseUrl: url,
    replicas: options.ackReplicas ?? 0,
    postgres,
    writer: makeBatchWriter(postgres, SITES),
    sites: SITES,
    redis,
    producer,
    failures,
    figures,
    appendPayload,
    send,
    startNode,
    backlog,
    drained,
    rowCount,
  }
}

export type Deployment = Awaited<ReturnType<typeof freshDeployment>>

/** Postgres' half of a batch, and then the crash: what an owner leaves that dies before it has told Redis. */
export const crashBeforeFigures = async (deployment: Deployment, partition: number, most: number) => {
  const { epoch } = await run(deployment.writer.acquireEpoch(partition))
  const found = await deployment.redis.xrange(
    streamKeys(deployment.prefix, partition).events,
    "-",
    "+",
    "COUNT",
    most,
  )
  const entries = found.map(([streamId, fields]) => {
    const event = decodePayload(payloadIn(fields))
    if (typeof event === "string") throw new Error(event)
    return { streamId, event }
  })
  await run(deployment.writer.write({ partition, epoch, entries, calendar: deployment.calendar }))
}
