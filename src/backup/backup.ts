/**
 * Makes a backup of a deployment while its nodes run.
 *
 * Postgres and Redis are read one after the other, so what happens in between has to be harmless. An event is taken out of its stream
 * only after Postgres has it, so the streams are read first, and Postgres as of one moment after that: an event that was acknowledged
 * before the backup began is in one of them. If it is in both, its id is not after the position that this Postgres has for the
 * partition, and the restore leaves it out of the streams. Dead letters leave the stream for another one: that is read when Postgres'
 * moment has been fixed, and a letter whose entry was read before as waiting is left out of these. Only a letter that is sent through
 * again, or dropped, meanwhile could be in neither or in both; Redis counts what is taken out, and then all is read again.
 */
import { existsSync, readdirSync, rmSync } from "node:fs"
import { rename } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { isDeepStrictEqual } from "node:util"
import * as Effect from "effect/Effect"
import { Calendar } from "../domain/period.ts"
import { isAlive, makeFolder } from "../embedded/index.ts"
import { requireKnownSchema, type SchemaTooNew, SELECT_NEWEST } from "../events/schema/index.ts"
import { firstCompleteDay } from "../rebuild/source.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { BackupError } from "./error.ts"
import { FORMAT, type Manifest, type TablePart, writeManifest } from "./manifest.ts"
import { syncFolder } from "./parts.ts"
import { dumpLetters, dumpVisitors, dumpWaiting, lettersRemoved, type RedisSide } from "./streams.ts"
import { daysIn, dumpTable, lockTables, onFiles, sequencesIn, tablesIn } from "./tables.ts"

export interface BackupOptions extends Omit<RedisSide, "partitions"> {
  readonly postgres: Postgres
  /** Where the backup is to be; must not exist. */
  readonly folder: string
  /** Version of this program. */
  readonly program: string
  /** Unix milliseconds. */
  readonly now: () => number
  readonly onProgress?: (line: string) => Effect.Effect<void>
}

/** Backups whose beginning is read again at most, when dead letters or days were taken away meanwhile. */
const TRIES = 5

interface Stored {
  readonly id: string | null
  readonly partitions: number
  readonly timeZone: string
  /** The latest of the deployment's and its sites': more visitors are copied than some site needs. */
  readonly rawSince: string | null
}

/** As JSON, because earlier versions have fewer columns. */
const SELECT_DEPLOYMENT = `
  SELECT row->>'id' AS id, (row->>'partitions')::integer AS partitions, row->>'time_zone' AS "timeZone",
    to_json(greatest((row->>'raw_since')::timestamptz, (
      SELECT max((to_jsonb(sites)->>'raw_since')::timestamptz) FROM sites
    )))#>>'{}' AS "rawSince"
  FROM deployment CROSS JOIN to_jsonb(deployment) AS row`

/** Sums what is known of every chunk, taking none apart. */
const SELECT_EVENTS = "SELECT coalesce(sum(events), 0)::float8 AS events FROM event_chunks"

const storedDeployment = (postgres: Postgres): Effect.Effect<Stored, StoreError | BackupError> =>
  Effect.gen(function* () {
    const nothing = new BackupError({
      message:
        "There is nothing to back up: this database has no deployment. Do DATABASE_URL or DATA_DIR name the right one?",
    })
    const [found] = yield* postgres.query<{ is_there: boolean }>(
      "backup",
      "SELECT to_regclass('deployment') IS NOT NULL AS is_there",
    )
    if (found?.is_there !== true) return yield* nothing
    const [row] = yield* postgres.query<Stored & Record<string, unknown>>("backup", SELECT_DEPLOYMENT)
    return row ?? (yield* nothing)
  })

/** Ends, with a process id, the name of a backup that is being made. */
const UNFINISHED = ".unfinished."

/** A folder beside the one to be, for this process alone. Those that killed ones have left are removed. */
const unfinishedFolder = (folder: string): string => {
  const [parent, left] = [dirname(folder), `${basename(folder)}${UNFINISHED}`]
  makeFolder(parent)
  for (const name of readdirSync(parent))
    if (name.startsWith(left) && !isAlive(Number(name.slice(left.length))))
      rmSync(join(parent, name), { recursive: true, force: true })
  return join(parent, `${left}${process.pid}`)
}

/** Reads all of it. `null` when what was taken away meanwhile has to be looked for again. */
const attempt = (options: BackupOptions, folder: string) =>
  Effect.gen(function* () {
    const { postgres, now, onProgress = () => Effect.void } = options
    rmSync(folder, { recursive: true, force: true })
    makeFolder(folder)
    const began = now()
    const stored = yield* storedDeployment(postgres)
    const side: RedisSide = { ...options, partitions: stored.partitions }
    const tables = yield* Effect.scoped(Effect.flatMap(postgres.session("backup"), tablesIn))
    const removed = yield* lettersRemoved(side)
    const waiting = []
    for (let partition = 0; partition < stored.partitions; partition++)
      waiting.push(
        yield* onFiles("The events that wait could not be copied", () =>
          dumpWaiting(side, folder, partition),
        ),
      )
    const sites = yield* postgres.query<{ slug: string }>("backup", "SELECT slug FROM sites")
    const calendar = new Calendar(stored.timeZone)
    const visitors = yield* onFiles("The visitors of periods could not be copied", () =>
      dumpVisitors(side, folder, {
        calendar,
        sites: sites.map(({ slug }) => slug),
        completeSince:
          stored.rawSince === null ? null : firstCompleteDay(calendar, Date.parse(stored.rawSince)),
        now: began,
      }),
    )

    const session = yield* postgres.session("backup")
    yield* session.begin("snapshot")
    yield* session.query("SET LOCAL statement_timeout = 0")
    yield* lockTables(session, tables)
    // The first query: from here on, this is Postgres' moment.
    const { rows } = yield* session.query<Stored & Record<string, unknown>>(SELECT_DEPLOYMENT)
    const letters = yield* onFiles("The dead letters could not be copied", () => dumpLetters(side, folder))
    const same =
      isDeepStrictEqual(rows[0], stored) &&
      isDeepStrictEqual(yield* tablesIn(session), tables) &&
      isDeepStrictEqual(yield* lettersRemoved(side), removed)
    if (!same) return null

    const parts: Array<TablePart> = []
    for (const table of tables) {
      const part = yield* dumpTable(session, folder, table)
      yield* onProgress(`${table.name}: ${part.lines} rows, ${part.bytes} bytes`)
      parts.push(part)
    }
    const schema = yield* session.query<{ version: number; name: string }>(SELECT_NEWEST)
    const events = yield* session.query<{ events: number }>(SELECT_EVENTS)
    const manifest: Manifest = {
      format: FORMAT,
      program: options.program,
      made_at: new Date(began).toISOString(),
      deployment: { id: stored.id, partitions: stored.partitions, time_zone: stored.timeZone },
      schema: schema.rows[0] ?? { version: 0, name: "" },
      events: events.rows[0]?.events ?? 0,
      days: yield* daysIn(session),
      tables: parts,
      sequences: yield* sequencesIn(session, tables),
      waiting,
      dead_letters: letters,
      visitors,
    }
    return manifest
  }).pipe(Effect.scoped)

/**
 * Makes a backup in `folder`, which is there when all of it is on disk, and returns what it holds. Events that were acknowledged
 * before the call are in it, each once.
 */
export const makeBackup = (
  options: BackupOptions,
): Effect.Effect<Manifest, StoreError | BackupError | SchemaTooNew> =>
  Effect.gen(function* () {
    const folder = resolve(options.folder)
    if (existsSync(folder))
      return yield* new BackupError({
        message: `${folder} is there already: a backup makes a folder of its own, so name one that is not there.`,
      })
    yield* requireKnownSchema(options.postgres, "backup")
    const unfinished = unfinishedFolder(folder)
    return yield* Effect.gen(function* () {
      for (let tries = 0; tries < TRIES; tries++) {
        const manifest = yield* attempt(options, unfinished)
        if (manifest === null) continue
        yield* onFiles("The backup could not be finished", async () => {
          await writeManifest(unfinished, manifest)
          await syncFolder(unfinished)
          await rename(unfinished, folder)
          await syncFolder(folder)
        })
        return manifest
      }
      return yield* new BackupError({
        message:
          "Dead letters were replayed or dropped, visitors erased or the schema changed again and again while they were being read: make the backup when that is over.",
      })
    }).pipe(Effect.ensuring(Effect.sync(() => rmSync(unfinished, { recursive: true, force: true }))))
  })
