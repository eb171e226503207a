/** Reads results of any size through a Postgres cursor, a batch of rows at a time, on a connection of its own. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { PoolClient, QueryResultRow } from "pg"
import Cursor from "pg-cursor"
import type { StoreError } from "./errors.ts"
import { type Postgres, postgresError } from "./postgres.ts"

/** Milliseconds in which a cursor or transaction must end; after them the connection is closed instead. */
const END_TIMEOUT_MS = 1000

/** One connection, held until its scope closes. */
export interface Session {
  readonly query: <Row extends QueryResultRow>(
    statement: string,
    values?: ReadonlyArray<unknown>,
  ) => Effect.Effect<{ readonly rows: ReadonlyArray<Row>; readonly count: number }, StoreError>
  /** Opens a cursor; each run of the result reads up to `size` rows, and none when there are no more. */
  readonly cursor: <Row extends QueryResultRow>(
    statement: string,
    values: ReadonlyArray<unknown>,
    size: number,
  ) => Effect.Effect<Effect.Effect<ReadonlyArray<Row>, StoreError>, never, Scope.Scope>
  /** From here on everything is one transaction, rolled back at the end of the scope unless the result was run. */
  readonly begin: (
    mode?: string,
  ) => Effect.Effect<{ readonly commit: Effect.Effect<void, StoreError> }, StoreError, Scope.Scope>
}

const BACKEND = "SELECT pg_backend_pid() AS pid"
/** Ends another connection; cancelling its query instead would do nothing in the moment before the query begins. */
const TERMINATE = "SELECT pg_terminate_backend($1)"

/**
 * Takes a connection from the pool. It goes back when the scope closes. One that broke, or is still at work then although
 * nobody waits for it any more, is ended instead, on the server too.
 */
export const openSession = (
  postgres: Postgres,
  operation: string,
): Effect.Effect<Session, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    // Calls without an answer yet, and what has made the connection unusable.
    const state: { pending: number; broken: boolean } = { pending: 0, broken: false }
    const onError = () => {
      state.broken = true
    }
    const client = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: async (): Promise<PoolClient> => {
          const connected = await postgres.pool.connect()
          // A connection that dies between two calls must not end the process; the next call fails.
          connected.on("error", onError)
          return connected
        },
        catch: (cause) => postgresError(operation, cause),
      }),
      (connected) =>
        Effect.sync(() => {
          connected.off("error", onError)
          // Once closed, it may still report what it was doing.
          if (state.broken) connected.on("error", () => {})
          connected.release(state.broken)
        }),
    )

    const call = <A>(run: () => Promise<A>): Effect.Effect<A, StoreError> =>
      Effect.tryPromise({
        try: () => {
          state.pending++
          return run().finally(() => state.pending--)
        },
        catch: (cause) => postgresError(operation, cause),
      })

    // Behind an answer that is still to come, an orderly end would have to wait for it.
    const orGiveUp = (end: () => Promise<unknown>): Effect.Effect<void> =>
      Effect.suspend(() => (state.pending > 0 ? Effect.void : call(end))).pipe(
        Effect.timeout(END_TIMEOUT_MS),
        Effect.catch(() => Effect.sync(onError)),
      )

    const { rows: backend } = yield* call(() => client.query<{ pid: number }>(BACKEND))
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        if (state.pending === 0) return Effect.void
        onError()
        return postgres
          .query(operation, TERMINATE, [backend[0]?.pid])
          .pipe(Effect.timeout(END_TIMEOUT_MS), Effect.ignore)
      }),
    )

    return {
      query: <Row extends QueryResultRow>(statement: string, values: ReadonlyArray<unknown> = []) =>
        call(async () => {
          const result = await client.query<Row>(statement, values.length === 0 ? undefined : [...values])
          return { rows: result.rows, count: result.rowCount ?? 0 }
        }),
      cursor: <Row extends QueryResultRow>(statement: string, values: ReadonlyArray<unknown>, size: number) =>
        Effect.acquireRelease(
          Effect.sync(() => client.query(new Cursor<Row>(statement, [...values]))),
          (cursor) => orGiveUp(() => cursor.close()),
        ).pipe(Effect.map((cursor) => call(() => cursor.read(size)))),
      begin: (mode = "") =>
        Effect.gen(function* () {
          let open = true
          yield* Effect.acquireRelease(
            call(() => client.query(`BEGIN ${mode}`)),
            () => Effect.suspend(() => (open ? orGiveUp(() => client.query("ROLLBACK")) : Effect.void)),
          )
          return {
            commit: Effect.andThen(
              call(() => client.query("COMMIT")),
              Effect.sync(() => {
                open = false
              }),
            ),
          }
        }),
    }
  })

/**
 * Streams a query's rows in batches of up to `size`, from one snapshot and without a limit on its time. The connection is
 * given back when the stream ends, fails, is interrupted, or is not wanted any further.
 */
export const streamRows = <Row extends QueryResultRow>(
  postgres: Postgres,
  operation: string,
  statement: string,
  values: ReadonlyArray<unknown>,
  size = 1000,
): Stream.Stream<ReadonlyArray<Row>, StoreError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const session = yield* openSession(postgres, operation)
      yield* session.begin("READ ONLY")
      yield* session.query("SET LOCAL statement_timeout = 0")
      const read = yield* session.cursor<Row>(statement, values, size)
      return Stream.unfold(undefined, () =>
        Effect.map(read, (rows) => (rows.length === 0 ? undefined : ([rows, undefined] as const))),
      )
    }),
  )
