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
import { CONNECT_MS, greet, Primary, type Server } from "./primary.ts"
import { type ServerTimeouts, setAll } from "./sessionSettings.ts"

/** `server_version_num` of the oldest Postgres that will do. */
export const OLDEST_VERSION = 150_000

/** What a transaction is like. */
export type TransactionMode = "writing" | "reading" | "snapshot"

/** Said of every transaction: the server may have defaults of its own. */
const MODES: { readonly [M in TransactionMode]: string } = {
  writing: "ISOLATION LEVEL READ COMMITTED",
  reading: "ISOLATION LEVEL READ COMMITTED READ ONLY",
  snapshot: "ISOLATION LEVEL REPEATABLE READ",
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

/** What pg-pool says when all its connections are in use for too long; looking for another server would not help. */
const NONE_FREE = "timeout exceeded when trying to connect"

/** The pool of one purpose. */
export class PostgresPool {
  readonly pool: pg.Pool
  readonly #primary: Primary
  readonly #timeouts: ServerTimeouts
  readonly #servers = new WeakMap<pg.ClientBase, Server>()

  constructor({ url, max, name, timeouts }: PoolOptions) {
    const primary = new Primary(url, name)
    this.#primary = primary
    this.#timeouts = timeouts
    this.pool = new pg.Pool({
      max,
      connectionTimeoutMillis: CONNECT_MS,
      idleTimeoutMillis: 30_000,
      Client: class extends pg.Client {
        constructor() {
          super(primary.options())
        }
      },
      onConnect: (client) => this.#prepare(client),
    })
    // An idle connection that breaks is replaced at the next use; the use reports what is wrong then.
    this.pool.on("error", () => {})
  }

  async #prepare(client: pg.ClientBase): Promise<void> {
    const server = await greet(client)
    this.#servers.set(client, server)
    // An older one is refused at the start, with a sentence of its own.
    if (server.pid !== null && server.version >= OLDEST_VERSION)
      await client.query(this.#settings("SESSION", server.version))
  }

  #settings(span: "SESSION" | "LOCAL", version: number): string {
    return setAll(span, version, { ...this.#timeouts, schema: this.#primary.address.schema })
  }

  /** Takes a connection to the primary, a new one if need be; whoever has it releases its `client`. */
  async connect(): Promise<PooledConnection> {
    let client = await this.#take()
    while (!this.#isToPrimary(client)) {
      // The primary was there once.
      client.release(true)
      client = await this.#take()
    }
    const server = this.#servers.get(client)
    if (server === undefined) throw new Error("the pool has handed out a connection that was not greeted")
    const { pid, version } = server
    return {
      client,
      pid,
      version,
      begin: async (mode) => {
        const settings = pid === null ? `; ${this.#settings("LOCAL", version)}` : ""
        await client.query(`BEGIN ${MODES[mode]}${settings}`)
      },
      query: ({ name, ...statement }) =>
        client.query(pid === null || name === undefined ? statement : { ...statement, name }),
    }
  }

  async #take(): Promise<pg.PoolClient> {
    const { host } = this.#primary
    try {
      return await this.pool.connect()
    } catch (error) {
      const isAlone = this.#primary.address.hosts.length === 1
      if (isAlone || (error instanceof Error && error.message === NONE_FREE)) throw error
      await this.#primary.find(host)
      return await this.pool.connect()
    }
  }

  #isToPrimary({ host, port }: pg.PoolClient): boolean {
    return host === this.#primary.host.host && port === this.#primary.host.port
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
