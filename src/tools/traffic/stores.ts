/** Checks behind the API: the rows in Postgres, and what is left in Redis' streams. */
import { Redis } from "ioredis"
import { PostgresPool } from "../../stores/postgresPool.ts"
import { type Figure, figure } from "./figure.ts"

const NO_TIMEOUTS = { statementMs: 0, idleTransactionMs: 0 }

/** Every accepted event must be one row, and there must be no others but those of bots. */
export const checkRows = async (databaseUrl: string, events: number): Promise<ReadonlyArray<Figure>> => {
  const pool = new PostgresPool({ url: databaseUrl, max: 1, name: "maicivy traffic", timeouts: NO_TIMEOUTS })
  try {
    const result = await pool.query<{ rows: string; ids: string }>({
      text: "SELECT count(*) AS rows, count(DISTINCT (site_id, id)) AS ids FROM analytics_events WHERE NOT is_bot",
    })
    const { rows = "none", ids = "none" } = result.rows[0] ?? {}
    return [
      figure("(all)", "analytics_events: rows", events, Number(rows)),
      figure("(all)", "analytics_events: different events", events, Number(ids)),
    ]
  } finally {
    await pool.end()
  }
}

/** No event may be waiting or dead in the streams under a key prefix (by default any prefix). */
export const checkStreams = async (redisUrl: string, prefix = "*"): Promise<ReadonlyArray<Figure>> => {
  const redis = new Redis(redisUrl)
  try {
    const lengths = async (pattern: string) => {
      let sum = 0
      for (const key of await redis.keys(pattern)) sum += await redis.xlen(key)
      return sum
    }
    return [
      figure("(all)", "streams: events that wait", 0, await lengths(`${prefix}:{*}:events`)),
      figure("(all)", "streams: dead letters", 0, await lengths(`${prefix}:{*}:dead`)),
    ]
  } finally {
    redis.disconnect()
  }
}
