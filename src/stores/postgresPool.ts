/**
 * Connections to Postgres. Each is greeted before its first use: who is there, and that it answers as this program expects
 * ({@link setAll}).
 *
 * Behind a pooler (pgbouncer and its like) every transaction may run in another session of the server, which others use in between.
 * Nothing may be left in it then: settings are made within each transaction, also of a single statement, and no statement is
 * prepared under a name. Nothing else of a session is needed anywhere: advisory locks are a transaction's, cursors are read within
 * one, and there are neither temporary tables nor LISTEN.
 */
import type { QueryConfig, QueryResult, QueryResultRow } from "pg"
import pg from "pg"
import { type ServerTimeouts, setAll } from "./sessionSettings.ts"

/** `server_version_num` of the oldest Postgres that will do. */
export const OLDEST_VERSION = 150_000

const CONNECT_MS = 5000

/** What a transaction is like. */
export type TransactionMode = "writing" | "reading" | "snapshot"

/** Said of every transaction: the server may have defaults of its own. */
const MODES: { readonly [M in TransactionMode]: string } = {
  writing: "ISOLATION LEVEL READ COMMITTED",
  reading: "ISOLATION LEVEL READ COMMITTED READ ONLY",
  snapshot: "ISOLATION LEVEL REPEATABLE READ",
}

interface Server {
  /** Of its process; `null` behind a pooler. */
  readonly pid: number | null
  /** `server_version_num` */
  readonly version: number
}

/** A connection taken from the pool. */
export interface PooledConnection extends Server {
  readonly client: pg.PoolClient
  readonly begin: (mode: TransactionMode) => Promise<void>
  readonly query: <Row extends QueryResultRow>(statement: QueryConfig) => Promise<QueryResult<Row>>
}

export interface PoolOptions {
  readonly url: string
  /** Connections at most. */
  readonly max: number
  /** Names the connections for the operator, in `pg_stat_activity`. */
  readonly name: string
  readonly timeouts: ServerTimeouts
}

/** A server that accepts a connection and then hangs must not keep whoever waits for it. */
const GREETING = {
  text: "SELECT pg_backend_pid() AS pid, current_setting('server_version_num')::int AS version",
  query_timeout: CONNECT_MS,
}

/** The process that the server named when the connection was made. A pooler makes up a number, so that it may be asked to cancel. */
const announcedPid = (client: pg.ClientBase): unknown =>
  "processID" in client ? client.processID : undefined

/** The pool of one purpose. */
export class PostgresPool {
  readonly pool: pg.Pool
  readonly #timeouts: ServerTimeouts
  readonly #servers = new WeakMap<pg.ClientBase, Server>()

  constructor({ url, max, name, timeouts }: PoolOptions) {
    this.#timeouts = timeouts
    this.pool = new pg.Pool({
      connectionString: url,
      max,
      application_name: name,
      connectionTimeoutMillis: CONNECT_MS,
      idleTimeoutMillis: 30_000,
      keepAlive: true,
      onConnect: (client) => this.#greet(client),
    })
    // An idle connection that breaks is replaced at the next use; the use reports what is wrong then.
    this.pool.on("error", () => {})
  }

  async #greet(client: pg.ClientBase): Promise<void> {
    const { rows } = await client.query<{ pid: number; version: number }>(GREETING)
    const [server] = rows
    if (server === undefined) throw new Error("the server says nothing of itself")
    const isOwn = announcedPid(client) === server.pid
    this.#servers.set(client, { ...server, pid: isOwn ? server.pid : null })
    // An older one is refused at the start, with a sentence of its own.
    if (isOwn && server.version >= OLDEST_VERSION)
      await client.query(setAll("SESSION", server.version, this.#timeouts))
  }

  /** Takes a connection, a new one if need be; whoever has it releases its `client`. */
  async connect(): Promise<PooledConnection> {
    const client = await this.pool.connect()
    const server = this.#servers.get(client)
    if (server === undefined) throw new Error("the pool has handed out a connection that was not greeted")
    const { pid, version } = server
    return {
      client,
      pid,
      version,
      begin: async (mode) => {
        const settings = pid === null ? `; ${setAll("LOCAL", version, this.#timeouts)}` : ""
        await client.query(`BEGIN ${MODES[mode]}${settings}`)
      },
      query: ({ name, ...statement }) =>
        client.query(pid === null || name === undefined ? statement : { ...statement, name }),
    }
  }

  /** Runs one statement. Where it fails, its connection is ended rather than used again. */
  async query<Row extends QueryResultRow>(statement: QueryConfig): Promise<QueryResult<Row>> {
    const connection = await this.connect()
    const { client, pid, begin, query } = connection
    let failure: Error | undefined
    const onError = (error: Error) => {
      failure = error
    }
    client.on("error", onError)
    try {
      if (pid === null) await begin("writing")
      const result = await query<Row>(statement)
      if (pid === null) await client.query("COMMIT")
      return result
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error))
      throw error
    } finally {
      client.off("error", onError)
      client.release(failure)
    }
  }

  /** Ends every connection, once it is back. */
  end(): Promise<void> {
    return this.pool.end()
  }
}
