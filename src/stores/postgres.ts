/** The Postgres connection pool, its errors and its timing. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import pg from "pg"
import { STOP_BUDGET } from "../config/stopBudget.ts"
import type { Metrics } from "../metrics/metrics.ts"
import { StoreError } from "./errors.ts"

/**
 * SQLSTATE classes and codes after which the same statement may succeed later
 * (https://www.postgresql.org/docs/current/errcodes-appendix.html).
 */
const UNAVAILABLE_CLASSES = new Set([
  "08", // connection exception
  "25", // invalid transaction state: read-only after a failover, or a transaction the server gave up
  "40", // transaction rollback: serialization failure, deadlock
  "53", // insufficient resources: disk full, out of memory, too many connections
  "57", // operator intervention: shutdown, crash, statement timeout
  "58", // system error: I/O
])
const UNAVAILABLE_CODES = new Set(["55P03", "55006", "XX000", "XX001", "XX002", "28P01", "28000", "3D000"])

const SQLSTATE = /^[0-9A-Z]{5}$/

/** Stands for the SQLSTATE of what was thrown on our side. */
export const NO_CODE = "UNKNOWN"

/** Our own mistakes, which no waiting mends. */
const isDefect = (cause: unknown): boolean =>
  cause instanceof TypeError || cause instanceof RangeError || cause instanceof SyntaxError

const text = (value: unknown): string | null => (typeof value === "string" ? value : null)

/** What a reply may take beyond the time after which the server itself ends the statement, milliseconds. */
const REPLY_GRACE_MS = 2000

/** What the driver threw, as a {@link StoreError}. Errors without an SQLSTATE are the connection's. */
export const postgresError = (operation: string, cause: unknown): StoreError => {
  const error: { readonly code?: unknown; readonly message?: unknown } =
    typeof cause === "object" && cause !== null ? cause : {}
  const code = text(error.code) ?? NO_CODE
  const fromServer = cause instanceof pg.DatabaseError || SQLSTATE.test(code)
  return new StoreError({
    store: "postgres",
    operation,
    unavailable:
      (!fromServer && !isDefect(cause)) ||
      UNAVAILABLE_CLASSES.has(code.slice(0, 2)) ||
      UNAVAILABLE_CODES.has(code),
    code,
    message: `Postgres: ${text(error.message) || code}`,
  })
}

/** Statements of one connection; a transaction's body gets one of these. */
export interface Sql {
  /** Rows are what the statement selects; decode them where their shape is not the statement's own. */
  readonly query: <Row extends pg.QueryResultRow>(
    statement: string | pg.QueryConfig,
    values?: ReadonlyArray<unknown>,
  ) => Promise<pg.QueryResult<Row>>
}

/** The pool with the ways the project uses it. Every call is timed under its `queryType`. */
export interface Postgres {
  readonly pool: pg.Pool
  /** One statement, as text with `values`, or with its own values; one with a name is prepared once a connection. */
  readonly query: <Row extends pg.QueryResultRow>(
    queryType: string,
    statement: string | pg.QueryConfig,
    values?: ReadonlyArray<unknown>,
  ) => Effect.Effect<ReadonlyArray<Row>, StoreError>
  /**
   * Runs `body` between BEGIN and COMMIT on one connection; rolls back when it throws. What it throws becomes a
   * {@link StoreError} unless `rethrow` keeps it.
   */
  readonly transaction: <A, E = never>(
    queryType: string,
    body: (sql: Sql) => Promise<A>,
    rethrow?: (cause: unknown) => E | null,
  ) => Effect.Effect<A, StoreError | E>
}

export interface PostgresOptions {
  readonly url: string
  /** Connections of the pool. */
  readonly max: number
  /** Names the connections for the operator, in `pg_stat_activity`. */
  readonly name: string
  /** Ends a statement after so many milliseconds; 0 for none. */
  readonly statementTimeoutMs: number
  /**
   * Breaks the connection of a transaction that has not ended after so many milliseconds: a server that is cut off ends
   * nothing itself, and the system would wait for it for a quarter of an hour. None by default.
   */
  readonly transactionDeadlineMs?: number
  /**
   * Has the server end a transaction that waits for its client so many milliseconds: a process that is frozen in the middle
   * of one would keep its locks from everybody else. None by default.
   */
  readonly idleTransactionMs?: number
}

/** Ends a connection after a time, in the middle of what it does; its calls fail then. */
const breakAfter = (client: pg.PoolClient, milliseconds: number | undefined): NodeJS.Timeout | undefined =>
  milliseconds === undefined
    ? undefined
    : setTimeout(() => {
        if (client instanceof pg.Client) client.end().catch(() => {})
      }, milliseconds)

/** A pool that ends with its scope. Connecting happens at the first use, so a Postgres that is down fails calls, not the start. */
export const makePostgres = (
  options: PostgresOptions,
  metrics: Metrics,
): Effect.Effect<Postgres, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const created = new pg.Pool({
          connectionString: options.url,
          max: options.max,
          application_name: options.name,
          connectionTimeoutMillis: 5000,
          idleTimeoutMillis: 30_000,
          keepAlive: true,
          ...(options.statementTimeoutMs > 0 && { statement_timeout: options.statementTimeoutMs }),
          ...(options.idleTransactionMs !== undefined && {
            idle_in_transaction_session_timeout: options.idleTransactionMs,
          }),
        })
        // An idle connection that breaks is replaced at the next use; the use reports what is wrong then.
        created.on("error", () => {})
        return created
      }),
      (created) => Effect.promise(() => created.end()).pipe(Effect.timeout(STOP_BUDGET.pool), Effect.ignore),
    )

    const replyLimit =
      options.statementTimeoutMs > 0 ? { query_timeout: options.statementTimeoutMs + REPLY_GRACE_MS } : {}

    const timed = <A>(queryType: string, run: () => Promise<A>): Promise<A> => {
      const end = metrics.postgresDuration.startTimer({ query_type: queryType })
      return run().finally(end)
    }

    return {
      pool,
      query: <Row extends pg.QueryResultRow>(
        queryType: string,
        statement: string | pg.QueryConfig,
        values: ReadonlyArray<unknown> = [],
      ) =>
        Effect.tryPromise({
          try: () =>
            timed(queryType, async () => {
              const config =
                typeof statement === "string" ? { text: statement, values: [...values] } : statement
              return (await pool.query<Row>({ ...config, ...replyLimit })).rows
            }),
          catch: (cause) => postgresError(queryType, cause),
        }),
      transaction: <A, E = never>(
        queryType: string,
        body: (sql: Sql) => Promise<A>,
        rethrow: (cause: unknown) => E | null = () => null,
      ) =>
        Effect.tryPromise({
          try: () =>
            timed(queryType, async () => {
              const client = await pool.connect()
              let broken: Error | undefined
              // A connection that dies under a transaction must not end the process.
              const onError = (error: Error) => {
                broken = error
              }
              client.on("error", onError)
              const deadline = breakAfter(client, options.transactionDeadlineMs)
              try {
                await client.query("BEGIN")
                const result = await body({
                  query: (statement, values) =>
                    client.query(statement, values === undefined ? undefined : [...values]),
                })
                await client.query("COMMIT")
                return result
              } catch (cause) {
                await client.query("ROLLBACK").catch((error: Error) => {
                  broken = error
                })
                throw cause
              } finally {
                clearTimeout(deadline)
                client.off("error", onError)
                client.release(broken)
              }
            }),
          catch: (cause) => rethrow(cause) ?? postgresError(queryType, cause),
        }),
    }
  })
