/** An experiment's own Redis and PostgreSQL, which it may kill, stop, starve and fill. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import pg from "pg"
import { embeddedPostgres } from "../../src/embedded/index.ts"
import { openScope } from "../support/effects.ts"
import { PostgresPair } from "../support/postgresPair.ts"
import { fromTemplate } from "../support/postgresTemplate.ts"
import { mountSmallDisk } from "../support/smallDisk.ts"
import { type ChaosRedis, type ChaosRedisOptions, startRedis } from "./redis.ts"
import { type ChaosStore, signals } from "./store.ts"

export interface ChaosPostgres extends ChaosStore {
  /** Of the server that takes writes. */
  readonly url: string
  /** `DATABASE_URL` of nodes. */
  readonly nodesUrl: string
  readonly port: number
  /** The servers, where there are two. */
  readonly pair: PostgresPair | null
}

export interface ChaosStores {
  readonly redis: ChaosRedis
  readonly postgres: ChaosPostgres
  /** Postgres' data folder: a small file system of its own if requested. */
  readonly postgresFolder: string
  readonly stop: () => Promise<void>
}

export interface StoresOptions extends Omit<ChaosRedisOptions, "folder"> {
  readonly folder: string
  /** Puts Postgres on a tmpfs of this size, which needs root. */
  readonly postgresMegabytes: number | null
  /** Whether Postgres has a synchronous standby. */
  readonly postgresPair: boolean
}

/** A Postgres, which stops with the scope. */
const startPostgres = ({ postgresPair }: StoresOptions, folder: string) =>
  postgresPair
    ? Effect.acquireRelease(
        Effect.tryPromise(() => PostgresPair.start(folder)),
        (pair) => Effect.promise(() => pair.stop()),
      ).pipe(Effect.map(ofPair))
    : Effect.map(
        embeddedPostgres({ dataDir: fromTemplate(folder) }),
        (running): ChaosPostgres => ({
          ...signals(running),
          url: running.url,
          nodesUrl: running.url,
          port: running.port,
          pair: null,
        }),
      )

const ofPair = (pair: PostgresPair): ChaosPostgres => ({
  kill: async () => {
    await pair.primary.kill()
    await pair.primary.start()
  },
  pause: () => pair.primary.freeze(),
  resume: () => {
    pair.primary.wake()
    pair.standby.wake()
  },
  get url() {
    return pair.primary.url()
  },
  nodesUrl: pair.url,
  get port() {
    return pair.primary.port
  },
  pair,
})

/** Starts both; `stop` stops them and unmounts the small file system. */
export const startStores = async (options: StoresOptions): Promise<ChaosStores> => {
  const postgresFolder = join(options.folder, "postgres-data")
  mkdirSync(postgresFolder, { recursive: true })
  const unmount =
    options.postgresMegabytes === null ? () => {} : mountSmallDisk(postgresFolder, options.postgresMegabytes)
  const scope = openScope()
  const stop = async () => {
    await scope.close()
    unmount()
  }
  const both = Effect.all(
    [
      startRedis({ ...options, folder: join(options.folder, "redis-data") }),
      startPostgres(options, postgresFolder),
    ],
    { concurrency: "unbounded" },
  )
  try {
    const [redis, postgres] = await scope.run(both)
    return { redis, postgres, postgresFolder, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A connection to Postgres for one use. */
export const onPostgres = async <A>(url: string, use: (client: pg.Client) => Promise<A>): Promise<A> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 60_000,
    query_timeout: 120_000,
  })
  client.on("error", () => {})
  await client.connect()
  try {
    return await use(client)
  } finally {
    client.end().catch(() => {})
  }
}
