/** Bytes taken by data in the stores. */
import type { Redis } from "ioredis"
import type pg from "pg"

export interface TableSize {
  readonly table: string
  /** Bytes of heap, TOAST and indexes. */
  readonly bytes: number
}

/** The size of every table, including what belongs to it. Day tables are summed under their parent's name. */
export const tableSizes = async (postgres: pg.Pool): Promise<ReadonlyArray<TableSize>> => {
  const { rows } = await postgres.query<{ table: string; bytes: string }>(`
    SELECT coalesce(parent.relname, class.relname) AS table, sum(pg_total_relation_size(class.oid)) AS bytes
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    LEFT JOIN pg_inherits ON inhrelid = class.oid
    LEFT JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE class.relkind IN ('r', 'm') AND namespace.nspname = 'public'
    GROUP BY 1 ORDER BY 2 DESC`)
  return rows.map(({ table, bytes }) => ({ table, bytes: Number(bytes) }))
}

export const totalBytes = (sizes: ReadonlyArray<TableSize>): number =>
  sizes.reduce((sum, { bytes }) => sum + bytes, 0)

/** Bytes allocated by Redis. */
export const redisBytes = async (redis: Redis): Promise<number> =>
  Number(/^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1] ?? Number.NaN)

/** Bytes of all keys that match a pattern. */
export const keyBytes = async (redis: Redis, pattern: string): Promise<number> => {
  let sum = 0
  for await (const keys of redis.scanStream({ match: pattern, count: 1000 })) {
    const names: ReadonlyArray<unknown> = Array.isArray(keys) ? keys : []
    const sizes = await Promise.all(
      names.map((key) => (typeof key === "string" ? redis.memory("USAGE", key, "SAMPLES", 0) : null)),
    )
    sum += sizes.reduce<number>((total, bytes) => total + (bytes ?? 0), 0)
  }
  return sum
}
