/**
 * The files that questions read: one a site and day of the deployment's zone. They are a cache of what Postgres has. Each is named by
 * the version of its day; whatever changes a day's chunks (events, late ones too, compaction, erasure, retention) changes that, and an
 * older file is never read again.
 */
import { createHash } from "node:crypto"
import { once } from "node:events"
import { createWriteStream, renameSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { addDays, type Calendar, type Day } from "../../domain/period.ts"
import { DAY_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import type { Range } from "../language/index.ts"
import { CHUNK_COLUMNS, type ChunkRow, lineOf } from "./chunkLines.ts"
import type { Database, DatabaseError } from "./database.ts"
import { writeDayFile } from "./dayFile.ts"
import { FRESH_MS } from "./messages.ts"

/** Bits of a visit's number: of the visit within its file, and of the site. */
const VISIT_BITS = 28n
const SITE_BITS = 15n

/**
 * The parts of the version of a site's UTC day: which deployment it is of, and places and transactions of its chunks. Nothing changes a
 * chunk but a transaction.
 */
const VERSIONS = `
  SELECT (SELECT id FROM deployment) AS deployment, slug AS site, site_id, to_char(first_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, 
    count(*)::integer AS chunks, bit_xor(hashtextextended(concat_ws(' ', event_chunks.tableoid, event_chunks.ctid, event_chunks.xmin), 0))::text AS version
  FROM event_chunks JOIN sites ON sites.id = site_id
  GROUP BY slug, site_id, day`

const CHUNKS = `
  SELECT ${CHUNK_COLUMNS} FROM event_chunks
  WHERE site_id = $1 AND first_at >= $2::timestamptz AND first_at < $3::timestamptz
    AND first_at < $5::timestamptz AND last_at >= $4::timestamptz`

interface VersionRow {
  readonly deployment: string
  readonly site: string
  readonly site_id: number
  readonly day: Day
  readonly chunks: number
  readonly version: string
}

/** A site's day that has events. */
interface SiteDay {
  readonly site: string
  readonly siteId: number
  readonly day: Day
  readonly version: string
}

const utc = (day: Day): number => Date.parse(`${day}T00:00:00Z`)

const iso = (instant: number): string => new Date(instant).toISOString()

const fileName = ({ siteId, day, version }: SiteDay): string => `${siteId}-${day}-${version}.parquet`

export interface EventFilesOptions {
  readonly postgres: Postgres
  readonly database: Database
  readonly folder: string
  /** Of the deployment's zone. */
  readonly calendar: Calendar
  readonly now: () => number
}

export class EventFiles {
  readonly #options: EventFilesOptions
  readonly #building = Semaphore.makeUnsafe(1)
  /** Names of the files that there are. */
  readonly #present = new Set<string>()
  /** How many statements are reading a file. */
  readonly #readers = new Map<string, number>()
  #days: { readonly at: number; readonly of: ReadonlyArray<SiteDay> } | null = null

  constructor(options: EventFilesOptions) {
    this.#options = options
  }

  /** Reads the files with the events of sites in ranges, of which those that are missing are made. They stay until they have been read. */
  read<A, E>(
    sites: ReadonlyArray<string>,
    ranges: ReadonlyArray<Range>,
    reading: (files: ReadonlyArray<string>) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | StoreError | DatabaseError> {
    return Effect.acquireUseRelease(this.#take(sites, ranges), reading, (files) =>
      Effect.sync(() => {
        for (const file of files) this.#giveBack(file)
      }),
    )
  }

  #giveBack(file: string) {
    const others = (this.#readers.get(file) ?? 0) - 1
    if (others > 0) return this.#readers.set(file, others)
    this.#readers.delete(file)
    if (!this.#present.has(basename(file))) rmSync(file, { force: true })
  }

  #take(
    sites: ReadonlyArray<string>,
    ranges: ReadonlyArray<Range>,
  ): Effect.Effect<ReadonlyArray<string>, StoreError | DatabaseError> {
    const { calendar } = this.#options
    const touches = ({ from, until }: Range, day: Day) =>
      from < calendar.startOf(addDays(day, 1)) && until > calendar.startOf(day)
    return this.#building.withPermits(1)(
      Effect.gen({ self: this }, function* () {
        const days = yield* this.#siteDays()
        const wanted = days.filter(
          ({ site, day }) => sites.includes(site) && ranges.some((range) => touches(range, day)),
        )
        const files = yield* Effect.forEach(wanted, (day) => this.#fileOf(day))
        for (const file of files) this.#readers.set(file, (this.#readers.get(file) ?? 0) + 1)
        return files
      }),
    )
  }

  /** Days of the deployment's zone that may have events, with their versions: of the two or three UTC days that they touch. */
  #siteDays(): Effect.Effect<ReadonlyArray<SiteDay>, StoreError> {
    const { postgres, now, calendar } = this.#options
    if (this.#days !== null && now() - this.#days.at < FRESH_MS) return Effect.succeed(this.#days.of)
    const at = now()
    return Effect.map(postgres.query<VersionRow>("day_versions", VERSIONS), (rows) => {
      const hashes = new Map<string, { of: Omit<SiteDay, "version">; parts: Array<string> }>()
      for (const row of [...rows].sort((a, b) => (a.day < b.day ? -1 : 1))) {
        const first = calendar.dayOf(utc(row.day))
        const last = calendar.dayOf(utc(row.day) + DAY_MS - 1)
        for (let day = first; day <= last; day = addDays(day, 1)) {
          const key = `${row.site_id} ${day}`
          const known = hashes.get(key) ?? {
            of: { site: row.site, siteId: row.site_id, day },
            parts: [row.deployment, calendar.timeZone],
          }
          known.parts.push(row.day, String(row.chunks), row.version)
          hashes.set(key, known)
        }
      }
      const of = [...hashes.values()].map(({ of, parts }) => ({
        ...of,
        version: createHash("sha256").update(parts.join()).digest("hex").slice(0, 24),
      }))
      this.#days = { at, of }
      this.#forgetAllBut(new Set(of.map(fileName)))
      return of
    })
  }

  #fileOf(day: SiteDay): Effect.Effect<string, StoreError | DatabaseError> {
    const { folder } = this.#options
    const name = fileName(day)
    const path = join(folder, name)
    if (this.#present.has(name)) return Effect.succeed(path)
    return Effect.map(this.#write(day, path), () => {
      this.#present.add(name)
      return path
    })
  }

  /** Removes what is no longer so: other versions, and days whose events are all gone. */
  #forgetAllBut(current: ReadonlySet<string>) {
    for (const name of this.#present) {
      if (current.has(name)) continue
      this.#present.delete(name)
      const file = join(this.#options.folder, name)
      if (!this.#readers.has(file)) rmSync(file, { force: true })
    }
  }

  #write({ siteId, day }: SiteDay, path: string): Effect.Effect<void, StoreError | DatabaseError> {
    const { postgres, database, calendar } = this.#options
    const [from, until] = [calendar.startOf(day), calendar.startOf(addDays(day, 1))]
    const [lines, draft] = [`${path}.lines`, `${path}.draft`]
    const utcDay = (at: number) => iso(Math.floor(at / DAY_MS) * DAY_MS)
    const values = [siteId, utcDay(from), utcDay(until + DAY_MS - 1), iso(from), iso(until)]
    const number = (BigInt(Math.round(utc(day) / DAY_MS)) << SITE_BITS) + BigInt(siteId)
    return Effect.gen(function* () {
      const out = createWriteStream(lines, { mode: 0o600 })
      yield* postgres
        .stream<ChunkRow & { readonly [name: string]: unknown }>("day_chunks", CHUNKS, values, 50)
        .pipe(
          Stream.runForEach((rows) =>
            Effect.promise(async () => {
              for (const row of rows) if (!out.write(`${lineOf(row)}\n`)) await once(out, "drain")
            }),
          ),
          Effect.ensuring(Effect.promise(() => new Promise<void>((resolve) => out.end(resolve)))),
        )
      yield* database.rows(
        writeDayFile({ ...{ lines, target: draft, from, until }, firstVisit: number << VISIT_BITS }),
      )
      renameSync(draft, path)
    }).pipe(Effect.ensuring(Effect.sync(() => rmSync(lines, { force: true }))))
  }
}
