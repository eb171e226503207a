/**
 * The files that questions read: of each site and day of the deployment's zone one, or several while the day goes on. They are a cache
 * of what Postgres has. Whatever changes a day's chunks (events, late ones too, compaction, erasure, retention) changes its version,
 * and files of another version are never read again.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { addDays, type Calendar, type Day } from "../../domain/period.ts"
import { DAY_MS, HOUR_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import type { Range } from "../language/index.ts"
import { type Database, type DatabaseError, NoRoom } from "./database.ts"
import { whereItMayEnd } from "./deadline.ts"
import { EndedDay } from "./endedDay.ts"
import { GrowingDay } from "./growingDay.ts"
import { HeldFiles } from "./heldFiles.ts"
import { FRESH_MS } from "./messages.ts"
import {
  type DayFiles,
  type EventTables,
  rangeOf,
  type SiteDay,
  type TakenDay,
  tablesOf,
  type Workshop,
} from "./siteDay.ts"

/** A day whose events may still come in numbers: until so long after its end, or after it was seen to change. */
const ENDED_AFTER_MS = 2 * HOUR_MS

/**
 * The parts of the version of a site's UTC day: which deployment it is of, and places and transactions of its chunks. Nothing changes a
 * chunk but a transaction.
 */
const VERSIONS = `
  SELECT (SELECT id FROM deployment) AS deployment, slug AS site, site_id, to_char(first_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, 
    count(*)::integer AS chunks, sum(events)::integer AS events, bit_xor(hashtextextended(concat_ws(' ', event_chunks.tableoid, event_chunks.ctid, event_chunks.xmin), 0))::text AS version
  FROM event_chunks JOIN sites ON sites.id = site_id
  GROUP BY slug, site_id, day`

interface VersionRow {
  readonly deployment: string
  readonly site: string
  readonly site_id: number
  readonly day: Day
  readonly chunks: number
  readonly events: number
  readonly version: string
}

const utc = (day: Day): number => Date.parse(`${day}T00:00:00Z`)

const nameOf = ({ siteId, day }: SiteDay): string => `${siteId}-${day}`

export interface EventFilesOptions {
  readonly postgres: Postgres
  readonly database: Database
  readonly folder: string
  /** Of the deployment's zone. */
  readonly calendar: Calendar
  readonly now: () => number
  /** What the files may take of the disk; no bound by default. */
  readonly maxBytes?: number
}

const filesOf = ({ ended, growing }: EventTables): ReadonlyArray<string> => [
  ...ended,
  ...growing.flatMap(({ parts, visits }) => [visits, ...parts.flatMap((part) => [part.events, part.visits])]),
]

export class EventFiles {
  readonly #options: EventFilesOptions
  readonly #shop: Workshop
  readonly #building = Semaphore.makeUnsafe(1)
  /** By site and day. */
  readonly #files = new Map<string, DayFiles>()
  #days: { readonly at: number; readonly of: ReadonlyArray<SiteDay> } | null = null

  constructor(options: EventFilesOptions) {
    const { postgres, database, folder, calendar, now } = options
    this.#options = options
    this.#shop = { postgres, database, held: new HeldFiles(folder), calendar, now }
  }

  /**
   * Reads the events of sites in ranges from files of days, in their order, of which those that are missing are made. They stay until
   * they have been read. `current` are all days of all sites.
   */
  read<A, E>(
    sites: ReadonlyArray<string>,
    ranges: ReadonlyArray<Range>,
    reading: (days: ReadonlyArray<TakenDay>, current: ReadonlyArray<SiteDay>) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | StoreError | DatabaseError | NoRoom> {
    const { held } = this.#shop
    return Effect.acquireUseRelease(
      this.#take(sites, ranges),
      (days) => reading(days, this.#days?.of ?? []),
      (days) => Effect.sync(() => held.giveBack(filesOf(tablesOf(days)))),
    )
  }

  #take(
    sites: ReadonlyArray<string>,
    ranges: ReadonlyArray<Range>,
  ): Effect.Effect<ReadonlyArray<TakenDay>, StoreError | DatabaseError | NoRoom> {
    const { calendar } = this.#options
    const touches = (range: Range, day: Day) => {
      const { from, until } = rangeOf(calendar, day)
      return range.from < until && range.until > from
    }
    return this.#building.withPermits(1)(
      Effect.gen({ self: this }, function* () {
        yield* whereItMayEnd
        const days = yield* this.#siteDays()
        const wanted = days.filter(
          ({ site, day }) => sites.includes(site) && ranges.some((range) => touches(range, day)),
        )
        const asked = new Set(wanted.map(nameOf))
        for (const day of days) {
          const files = this.#files.get(nameOf(day))
          if (!asked.has(nameOf(day)) && files !== undefined) yield* files.prune(day)
        }
        const found = yield* Effect.forEach(wanted, (day) =>
          whereItMayEnd.pipe(
            Effect.andThen(this.#filesOf(day)),
            Effect.tap(() => this.#makeRoom(asked)),
          ),
        )
        this.#shop.held.take(filesOf(tablesOf(found)))
        return found
      }),
    )
  }

  /** Days of the deployment's zone that may have events, with their versions: of the two or three UTC days that they touch. */
  #siteDays(): Effect.Effect<ReadonlyArray<SiteDay>, StoreError> {
    const { postgres, now, calendar } = this.#options
    const at = now()
    // Of a clock that was set back nobody knows how long ago it was.
    if (this.#days !== null && at >= this.#days.at && at - this.#days.at < FRESH_MS)
      return Effect.succeed(this.#days.of)
    return Effect.map(postgres.query<VersionRow>("day_versions", VERSIONS), (rows) => {
      const hashes = new Map<
        string,
        { of: Omit<SiteDay, "version" | "events">; events: number; parts: Array<string> }
      >()
      for (const row of [...rows].sort((a, b) => (a.day < b.day ? -1 : 1))) {
        const first = calendar.dayOf(utc(row.day))
        const last = calendar.dayOf(utc(row.day) + DAY_MS - 1)
        for (let day = first; day <= last; day = addDays(day, 1)) {
          const key = `${row.site_id} ${day}`
          const known = hashes.get(key) ?? {
            ...{ of: { site: row.site, siteId: row.site_id, day }, events: 0 },
            parts: [row.deployment, calendar.timeZone],
          }
          known.events += row.events
          known.parts.push(row.day, String(row.chunks), row.version)
          hashes.set(key, known)
        }
      }
      const of = [...hashes.values()].map(({ of, events, parts }) => ({
        ...of,
        events,
        version: createHash("sha256").update(parts.join()).digest("hex").slice(0, 24),
      }))
      this.#days = { at, of }
      this.#forgetAllBut(of)
      return of
    })
  }

  /** A day with its files, up to date. */
  #filesOf(day: SiteDay): Effect.Effect<TakenDay, StoreError | DatabaseError | NoRoom> {
    const name = nameOf(day)
    const files = this.#known(day)
    // The one that was asked for last is the last one.
    this.#files.delete(name)
    this.#files.set(name, files)
    const upToDate = files.version === day.version ? Effect.void : files.become(day)
    const hasEnded = files instanceof EndedDay
    return Effect.map(upToDate, () => ({ ...day, hasEnded, tables: files.tables }))
  }

  /** Removes files that were not asked for the longest, until the others have room; those of a question must all be there. */
  #makeRoom(asked: ReadonlySet<string>): Effect.Effect<void, NoRoom> {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#options
    const { held } = this.#shop
    for (const [name, files] of this.#files) {
      if (held.bytes <= maxBytes) break
      if (asked.has(name)) continue
      files.drop()
      this.#files.delete(name)
    }
    if (held.bytes <= maxBytes) return Effect.void
    for (const [name, files] of this.#files) {
      files.drop()
      this.#files.delete(name)
    }
    return Effect.fail(
      new NoRoom({
        message: `its events take more of the disk than QUERY_CACHE leaves them (${Math.floor(maxBytes / 1024 / 1024)} MB)`,
      }),
    )
  }

  /** What there is of a day: one that goes on while somebody asks for it becomes one file when it has ended, too. */
  #known(day: SiteDay): DayFiles {
    const { now } = this.#options
    const known = this.#files.get(nameOf(day))
    if (known === undefined)
      return this.#hasEnded(day) ? new EndedDay(this.#shop) : new GrowingDay(this.#shop)
    const isAtRest =
      known instanceof GrowingDay &&
      known.version === day.version &&
      known.changedAt + ENDED_AFTER_MS <= now()
    return isAtRest && this.#hasEnded(day) ? new EndedDay(this.#shop, known) : known
  }

  #hasEnded({ day }: SiteDay): boolean {
    const { calendar, now } = this.#options
    return rangeOf(calendar, day).until + ENDED_AFTER_MS <= now()
  }

  /** Removes what is no longer so: files of ended days that have changed, and those of days whose events are all gone. */
  #forgetAllBut(current: ReadonlyArray<SiteDay>) {
    const versions = new Map(current.map((day) => [nameOf(day), day.version]))
    for (const [name, files] of this.#files) {
      const version = versions.get(name)
      if (version === undefined) {
        files.drop()
        this.#files.delete(name)
      } else if (files instanceof EndedDay && files.version !== "" && files.version !== version) {
        files.drop()
        this.#files.set(name, new GrowingDay(this.#shop))
      }
    }
  }
}
