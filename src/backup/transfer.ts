/** Copies a deployment's rows from one server to another, as of one moment, without files between them. */
import * as Effect from "effect/Effect"
import {
  type RestoreUnfinished,
  requireFinishedRestore,
  type SchemaTooNew,
  SELECT_NEWEST,
} from "../events/schema/index.ts"
import { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import { makePostgres } from "../stores/postgres.ts"
import type { BackupError } from "./error.ts"
import { daysIn, fillTables, lockTables, rowsOf, sequencesIn, tablesIn } from "./tables.ts"

const HAS_SCHEMA = "SELECT to_regclass('schema_migrations') IS NOT NULL AS found"

const connect = (url: string) =>
  makePostgres({ url, max: 2, name: "maicivy transfer", statementTimeoutMs: 0 }, new Metrics("transfer_"))

/** Copies all rows, all or none, into an empty database; nothing where the first has none. Both are URLs. */
export const copyDatabase = (
  from: string,
  to: string,
): Effect.Effect<void, StoreError | SchemaTooNew | BackupError | RestoreUnfinished> =>
  Effect.gen(function* () {
    const source = yield* connect(from)
    const [schema] = yield* source.query<{ found: boolean }>("transfer", HAS_SCHEMA)
    if (schema?.found !== true) return
    yield* requireFinishedRestore(source)
    const tables = yield* Effect.scoped(Effect.flatMap(source.session("transfer"), tablesIn))
    const reader = yield* source.session("transfer")
    yield* reader.begin("snapshot")
    yield* reader.query("SET LOCAL statement_timeout = 0")
    yield* lockTables(reader, tables)
    const newest = yield* reader.query<{ version: number; name: string }>(SELECT_NEWEST)
    const writer = yield* Effect.flatMap(connect(to), (target) => target.session("transfer"))
    const transaction = yield* writer.begin()
    yield* fillTables(
      writer,
      {
        schema: newest.rows[0] ?? { version: 0, name: "" },
        days: yield* daysIn(reader),
        tables,
        sequences: yield* sequencesIn(reader, tables),
      },
      (table) => rowsOf(reader, table),
      () => Effect.void,
    )
    yield* transaction.commit
  }).pipe(Effect.scoped)
