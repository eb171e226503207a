/** Looks behind the API: waiting events, the figures in Redis, the rows in Postgres. */
import { setTimeout as sleep } from "node:timers/promises"
import { type Cluster, Redis } from "ioredis"
import pg from "pg"
import { openDays } from "../../src/domain/lateWindow.ts"
import { Calendar } from "../../src/domain/period.ts"
import { figureKeys, streamKeys } from "../../src/stores/redisKeys.ts"
import type { Context } from "../scenario.ts"
import { DEFAULTS, SITE } from "./defaults.ts"
import type { BenchNode } from "./node.ts"

const PARTITIONS = Array.from({ length: DEFAULTS.partitions }, (_, partition) => partition)
const CALENDAR = new Calendar(DEFAULTS.timeZone)

/** Counts in Redis, summed over partitions and all days that an event can be on. */
export interface RedisFigures {
  readonly events: number
  readonly pageViews: number
  readonly letters: number
}

export interface Stores extends Counts {
  readonly redis: Redis
  readonly postgres: pg.Pool
}

/** What the stores have. */
export interface Counts {
  /** Events waiting in the streams. */
  readonly backlog: () => Promise<number>
  readonly figures: () => Promise<RedisFigures>
  /** Rows of analytics_events. */
  readonly rows: () => Promise<number>
  /** Waits until no event is waiting. Fails if there is no progress for some minutes. */
  readonly drained: () => Promise<void>
  /** Waits until nothing waits, and nothing comes late, of a client that has left; the counts then. */
  readonly settled: () => Promise<{ readonly rows: number; readonly figures: RedisFigures }>
  /** Discards waiting events, for a node that processes nothing. */
  readonly emptied: () => Promise<void>
}

const STANDSTILL_MS = 240_000

/** Connects to a node's stores; the connections are closed with the scenario. */
export const openStores = (context: Context, node: Pick<BenchNode, "redisUrl" | "databaseUrl">): Stores => {
  const redis = new Redis(node.redisUrl)
  const postgres = new pg.Pool({ connectionString: node.databaseUrl, max: 4 })
  return { redis, postgres, ...countsIn(context, redis, postgres) }
}

/** Counts in stores of any kind; the connections are closed with the scenario. */
export const countsIn = (context: Context, redis: Redis | Cluster, postgres: pg.Pool): Counts => {
  redis.on("error", () => {})
  postgres.on("error", () => {})
  context.onEnd(async () => {
    redis.disconnect()
    await postgres.end()
  })
  const backlog = async () => {
    const lengths = await Promise.all(
      PARTITIONS.map((p) => redis.xlen(streamKeys(DEFAULTS.redisKeyPrefix, p).events)),
    )
    return lengths.reduce((sum, length) => sum + length, 0)
  }
  const counts = {
    backlog,
    figures: async () => {
      const keys = PARTITIONS.flatMap((p) =>
        openDays(CALENDAR, Date.now()).map(
          (day) => figureKeys(DEFAULTS.redisKeyPrefix, p, SITE).period(day).totals,
        ),
      )
      const all = await Promise.all(keys.map((key) => redis.hmget(key, "events", "page_views", "letters")))
      const sum = (i: number) => all.reduce((total, values) => total + Number(values[i] ?? 0), 0)
      return { events: sum(0), pageViews: sum(1), letters: sum(2) }
    },
    rows: async () => {
      const { rows } = await postgres.query<{ rows: string }>("SELECT count(*) AS rows FROM analytics_events")
      return Number(rows[0]?.rows)
    },
    emptied: async () => {
      for (const p of PARTITIONS)
        await redis.xtrim(streamKeys(DEFAULTS.redisKeyPrefix, p).events, "MAXLEN", 0)
    },
    drained: async () => {
      let least = Number.POSITIVE_INFINITY
      let since = performance.now()
      for (let waiting = await backlog(); waiting > 0; waiting = await backlog()) {
        if (waiting < least) {
          least = waiting
          since = performance.now()
        } else if (performance.now() - since > STANDSTILL_MS) {
          throw new Error(
            `${waiting} events wait, and none was processed for ${STANDSTILL_MS / 60_000} minutes`,
          )
        }
        await sleep(20)
      }
    },
  }
  const settled = async () => {
    for (;;) {
      await counts.drained()
      const [before, rows] = [await counts.figures(), await counts.rows()]
      // In this order: what is a row already and no figure yet is still waiting.
      const waiting = await backlog()
      const figures = await counts.figures()
      if (waiting === 0 && figures.events === before.events) return { rows, figures }
    }
  }
  return { ...counts, settled }
}
