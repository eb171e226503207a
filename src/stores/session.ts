/** Connections of the Postgres pool that are held for a while: sessions, transactions, and cursors. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import pg from "pg"
import Cursor from "pg-cursor"
import { CopyIn, CopyOut } from "./copy.ts"
import { StoreError } from "./errors.ts"
import { postgresError } from "./postgresError.ts"
import type { PooledConnection, PostgresPool, TransactionMode } from "./postgresPool.ts"

/** Milliseconds in which a cursor or transaction must end; after them the connection is closed instead. */
const END_TIMEOUT_MS = 1000

/** Statements of one connection; a transaction's body gets one of these. */
export interface Sql {
  /**
   * One statement, as text with `values`, or with its own values; one with a name is prepared once a connection. Rows are what it
   * selects: decode them where their shape is not the statement's own. `count` is the number of rows selected or changed.
   */
  readonly query: <Row extends pg.QueryResultRow>(
    statement: string | pg.QueryConfig,
    values?: ReadonlyArray<unknown>,
  ) => Effect.Effect<{ readonly rows: ReadonlyArray<Row>; readonly count: number }, StoreError>
}

/** One connection, held until its scope closes. */
export interface Session extends Sql {
  /** Opens a cursor; each run of the result reads up to `size` rows, and none when there are no more. */
  readonly cursor: <Row extends pg.QueryResultRow>(
    statement: string,
    values: ReadonlyArray<unknown>,
    size: number,
  ) => Effect.Effect<Effect.Effect<ReadonlyArray<Row>, StoreError>, never, Scope.Scope>
  /** A statement's rows through a cursor, up to `size` at a time. */
  readonly stream: <Row extends pg.QueryResultRow>(
    statement: string,
    values: ReadonlyArray<unknown>,
    size: number,
  ) => Stream.Stream<ReadonlyArray<Row>, StoreError>
  /** The rows of a `COPY … TO STDOUT`; once they are not wanted any further, the connection is ended. */
  readonly copyOut: (statement: string) => Effect.Effect<CopyOut>
  /** Sends rows to a `COPY … FROM STDIN`, and returns their number. */
  readonly copyIn: (statement: string, rows: AsyncIterable<Uint8Array>) => Effect.Effect<number, StoreError>
  /**
   * From here on everything is one transaction, rolled back at the end of the scope unless the result was run. Before it, a pooler
   * may run each statement in another session of the server.
   */
  readonly begin: (
    mode?: TransactionMode,
  ) => Effect.Effect<{ readonly commit: Effect.Effect<void, StoreError> }, StoreError, Scope.Scope>
}

/** read_only_sql_transaction */
const READ_ONLY = "25006"

/** Ends another connection; cancelling its query instead would do nothing in the moment before the query begins. */
const TERMINATE = "SELECT pg_terminate_backend($1)"

/**
 * A connection taken from the pool, which goes back when the scope closes. One that broke, or is still at work then although nobody
 * waits for it any more, is ended instead.
 */
class Connection {
  readonly pooled: PooledConnection
  readonly #operation: string
  /** Calls without an answer yet. */
  #pending = 0
  #broken = false

  private constructor(pooled: PooledConnection, operation: string) {
    this.pooled = pooled
    this.#operation = operation
  }

  get client(): pg.PoolClient {
    return this.pooled.client
  }

  static open(pool: PostgresPool, operation: string): Effect.Effect<Connection, StoreError, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.tryPromise({
        try: async () => {
          const connection = new Connection(await pool.connect(), operation)
          // A connection that dies between two calls must not end the process; the next call fails.
          connection.client.on("error", connection.#onError)
          return connection
        },
        catch: (cause) => postgresError(operation, cause),
      }),
      (connection) => Effect.sync(() => connection.#release()),
    )
  }

  readonly #onError = () => this.giveUp()

  /** Has the connection ended when it is released. */
  giveUp(): void {
    this.#broken = true
  }

  #release(): void {
    if (this.isWorking) this.giveUp()
    this.client.off("error", this.#onError)
    // Once closed, it may still report what it was doing.
    if (this.#broken) this.client.on("error", () => {})
    this.client.release(this.#broken)
  }

  /** Whether a call has no answer yet. */
  get isWorking(): boolean {
    return this.#pending > 0
  }

  call<A>(run: (client: pg.PoolClient) => Promise<A>): Effect.Effect<A, StoreError> {
    return Effect.tryPromise({
      try: async () => {
        this.#pending++
        try {
          return await run(this.client)
        } finally {
          this.#pending--
        }
      },
      catch: (cause) => {
        const error = postgresError(this.#operation, cause)
        // Behind a name that now is another server's, or a pooler: the next connection may be to the primary.
        if (error.code === READ_ONLY) this.giveUp()
        return error
      },
    })
  }

  /** Ends a cursor or transaction; the connection instead, where an orderly end would have to wait behind an answer. */
  end(run: (client: pg.PoolClient) => Promise<unknown>): Effect.Effect<void> {
    return Effect.suspend(() => (this.isWorking ? Effect.void : this.call(run))).pipe(
      Effect.timeout(END_TIMEOUT_MS),
      Effect.catch(() => Effect.sync(() => this.giveUp())),
    )
  }

  readonly query: Sql["query"] = <Row extends pg.QueryResultRow>(
    statement: string | pg.QueryConfig,
    values: ReadonlyArray<unknown> = [],
  ) =>
    this.call(async () => {
      const result = await this.pooled.query<Row>(
        typeof statement === "string" ? { text: statement, values: [...values] } : statement,
      )
      return { rows: result.rows, count: result.rowCount ?? 0 }
    })

  readonly copyIn: Session["copyIn"] = (statement, rows) =>
    this.call((client) => client.query(new CopyIn(statement, rows)).done)

  readonly copyOut: Session["copyOut"] = (statement) =>
    Effect.sync(() => {
      this.#pending++
      const rows = this.client.query(new CopyOut(statement))
      rows.once("close", () => {
        // One that was left is still at work.
        if (rows.rows >= 0 || rows.errored instanceof StoreError) this.#pending--
        if (rows.rows < 0) this.giveUp()
      })
      return rows
    })

  readonly begin: Session["begin"] = (mode = "writing") => {
    let open = true
    return Effect.acquireRelease(
      // One that failed half-way may have begun all the same.
      this.call(() => this.pooled.begin(mode)).pipe(Effect.tapError(() => Effect.sync(() => this.giveUp()))),
      () => Effect.suspend(() => (open ? this.end((client) => client.query("ROLLBACK")) : Effect.void)),
    ).pipe(
      Effect.as({
        commit: this.call((client) => client.query("COMMIT")).pipe(
          Effect.andThen(
            Effect.sync(() => {
              open = false
            }),
          ),
          Effect.uninterruptible,
        ),
      }),
    )
  }
}

/** Takes a connection from the pool until the scope closes. Should it be at work then, the server is told to end it, too. */
export const openSession = (
  pool: PostgresPool,
  operation: string,
): Effect.Effect<Session, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const connection = yield* Connection.open(pool, operation)
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        const { pid } = connection.pooled
        if (!connection.isWorking) return Effect.void
        connection.giveUp()
        // A pooler closes its own connection then, in the middle of what that does.
        if (pid === null) return Effect.void
        return Effect.tryPromise(() => pool.query({ text: TERMINATE, values: [pid] })).pipe(
          Effect.timeout(END_TIMEOUT_MS),
          Effect.ignore,
        )
      }),
    )

    const cursor: Session["cursor"] = <Row extends pg.QueryResultRow>(
      statement: string,
      values: ReadonlyArray<unknown>,
      size: number,
    ) =>
      Effect.acquireRelease(
        Effect.sync(() => connection.client.query(new Cursor<Row>(statement, [...values]))),
        (opened) => connection.end(() => opened.close()),
      ).pipe(Effect.map((opened) => connection.call(() => opened.read(size))))

    const stream: Session["stream"] = <Row extends pg.QueryResultRow>(
      statement: string,
      values: ReadonlyArray<unknown>,
      size: number,
    ) =>
      Stream.unwrap(
        Effect.map(cursor<Row>(statement, values, size), (read) =>
          Stream.unfold(undefined, () =>
            Effect.map(read, (rows) => (rows.length === 0 ? undefined : ([rows, undefined] as const))),
          ),
        ),
      )

    const { query, begin, copyIn, copyOut } = connection
    return { query, begin, copyIn, copyOut, cursor, stream }
  })

/** Ends a connection after a time, in the middle of what it does; its calls fail then. */
const breakAfter = (client: pg.PoolClient, milliseconds: number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      setTimeout(() => {
        if (client instanceof pg.Client) client.end().catch(() => {})
      }, milliseconds),
    ),
    (timer) => Effect.sync(() => clearTimeout(timer)),
  ).pipe(Effect.asVoid)

/** Runs `body` between BEGIN and COMMIT on a connection that is broken after `deadlineMs`; rolls back unless `body` succeeds. */
export const runTransaction = <A, E>(
  pool: PostgresPool,
  operation: string,
  deadlineMs: number | undefined,
  body: (sql: Sql) => Effect.Effect<A, E>,
): Effect.Effect<A, E | StoreError> =>
  Effect.gen(function* () {
    const connection = yield* Connection.open(pool, operation)
    if (deadlineMs !== undefined) yield* breakAfter(connection.client, deadlineMs)
    const transaction = yield* connection.begin()
    const result = yield* body(connection)
    yield* transaction.commit
    return result
  }).pipe(Effect.scoped)
