/** The Postgres connection pool, the ways it is used, and their timing. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type pg from "pg"
import { STOP_BUDGET } from "../config/stopBudget.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "./errors.ts"
import { postgresError } from "./postgresError.ts"
import { PostgresPool } from "./postgresPool.ts"
import { openSession, runTransaction, type Session, type Sql } from "./session.ts"

export type { Session, Sql } from "./session.ts"

/** What a reply may take beyond the time after which the server itself ends the statement, milliseconds. */
const REPLY_GRACE_MS = 2000

/** The pool with the ways the project uses it. Statements and transactions are timed under their `queryType`. */
export interface Postgres {
  readonly pool: pg.Pool
  /** One statement, as text with `values`, or with its own values; one with a name is prepared once a connection. */
  readonly query: <Row extends pg.QueryResultRow>(
    queryType: string,
    statement: string | pg.QueryConfig,
    values?: ReadonlyArray<unknown>,
  ) => Effect.Effect<ReadonlyArray<Row>, StoreError>
  /** Runs `body` between BEGIN and COMMIT on one connection; rolls back when it fails or is interrupted. */
  readonly transaction: <A, E>(
    queryType: string,
    body: (sql: Sql) => Effect.Effect<A, E>,
  ) => Effect.Effect<A, E | StoreError>
  /**
   * A connection until the scope closes. One that broke, or is still at work then although nobody waits for it any more, is ended,
   * on the server too.
   */
  readonly session: (operation: string) => Effect.Effect<Session, StoreError, Scope.Scope>
  /**
   * Streams a query's rows in batches of up to `size` (1,000), from one snapshot and without a limit on its time. The connection
   * is given back when the stream ends, fails, is interrupted, or is not wanted any further.
   */
  readonly stream: <Row extends pg.QueryResultRow>(
    operation: string,
    statement: string,
    values: ReadonlyArray<unknown>,
    size?: number,
  ) => Stream.Stream<ReadonlyArray<Row>, StoreError>
}

export interface PostgresOptions {
  readonly url: string
  /** Connections of the pool. */
  readonly max: number
  /** Names the connections for the operator, in `pg_stat_activity`. */
  readonly name: string
  /** Ends a statement after this many milliseconds; 0 for none. */
  readonly statementTimeoutMs: number
  /**
   * Breaks the connection of a transaction that has not ended after this many milliseconds: a server that is cut off ends
   * nothing itself, and the system would wait for it for a quarter of an hour. None by default.
   */
  readonly transactionDeadlineMs?: number
  /**
   * Has the server end a transaction that waits for its client for this many milliseconds: a process that is frozen in the middle
   * of one would keep its locks from everybody else. None by default.
   */
  readonly idleTransactionMs?: number
}

const openPool = (options: PostgresOptions): Effect.Effect<PostgresPool, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { statementTimeoutMs, idleTransactionMs = 0 } = options
      return new PostgresPool({
        ...options,
        timeouts: { statementMs: statementTimeoutMs, idleTransactionMs },
      })
    }),
    (pool) => Effect.promise(() => pool.end()).pipe(Effect.timeout(STOP_BUDGET.pool), Effect.ignore),
  )

/** A pool that ends with its scope. Connecting happens at the first use, so a Postgres that is down fails calls, not the start. */
export const makePostgres = (
  options: PostgresOptions,
  metrics: Metrics,
): Effect.Effect<Postgres, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pool = yield* openPool(options)
    const { statementTimeoutMs, transactionDeadlineMs } = options
    const replyLimit = statementTimeoutMs > 0 ? { query_timeout: statementTimeoutMs + REPLY_GRACE_MS } : {}

    const timed = <A, E>(queryType: string, call: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        const end = metrics.postgresDuration.startTimer({ query_type: queryType })
        return Effect.ensuring(call, Effect.sync(end))
      })

    return {
      pool: pool.pool,
      query: <Row extends pg.QueryResultRow>(
        queryType: string,
        statement: string | pg.QueryConfig,
        values: ReadonlyArray<unknown> = [],
      ) =>
        timed(
          queryType,
          Effect.tryPromise({
            try: async () => {
              const config =
                typeof statement === "string" ? { text: statement, values: [...values] } : statement
              return (await pool.query<Row>({ ...config, ...replyLimit })).rows
            },
            catch: (cause) => postgresError(queryType, cause),
          }),
        ),
      transaction: (queryType, body) =>
        timed(queryType, runTransaction(pool, queryType, transactionDeadlineMs, body)),
      session: (operation) => openSession(pool, operation),
      stream: <Row extends pg.QueryResultRow>(
        operation: string,
        statement: string,
        values: ReadonlyArray<unknown>,
        size = 1000,
      ) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const session = yield* openSession(pool, operation)
            yield* session.begin("reading")
            yield* session.query("SET LOCAL statement_timeout = 0")
            return session.stream<Row>(statement, values, size)
          }),
        ),
    }
  })
