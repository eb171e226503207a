/**
 * The files that questions read: of each site and day of the deployment's zone one, or several while the day goes on. They are a cache
 * of what Postgres has. Whatever changes a day's chunks (events, late ones too, compaction, erasure, retention) changes its version,
 * and files of another version are never read again.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Calendar } from "../../domain/period.ts"
import { HOUR_MS } from "../../domain/time.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import type { Range } from "../language/index.ts"
import { type Database, type DatabaseError, NoRoom } from "./database.ts"
import { whereItMayEnd } from "./deadline.ts"
import { EndedDay } from "./endedDay.ts"
import { GrowingDay } from "./growingDay.ts"
import { HeldFiles } from "./heldFiles.ts"
import type { KeptDay } from "./keptFiles.ts"
import { arePartsAsMade, type KeptParts, removeParts } from "./keptParts.ts"
import { FRESH_MS } from "./messages.ts"
import { orDropped } from "./orDropped.ts"
import {
  type DayFiles,
  type EventTables,
  rangeOf,
  type SiteDay,
  type TakenDay,
  tablesOf,
  touches,
  type Workshop,
} from "./siteDay.ts"
import { siteDays } from "./siteDays.ts"

/** A day whose events may still come in numbers: until so long after its end, or after it was seen to change. */
const ENDED_AFTER_MS = 2 * HOUR_MS

const nameOf = ({ siteId, day }: Pick<SiteDay, "siteId" | "day">): string => `${siteId}-${day}`

/** All days of all sites, and when they were read, unix milliseconds. */
export interface DaysAt {
  readonly at: number
  readonly of: ReadonlyArray<SiteDay>
}

export interface EventFilesOptions {
  readonly postgres: Postgres
  readonly database: Database
  readonly folder: string
  /** Of the deployment's zone. */
  readonly calendar: Calendar
  readonly now: () => number
  /** What the files may take of the disk; no bound by default. */
  readonly maxBytes?: number
  /** All days of all sites, as they were a moment ago, where somebody has read them already. */
  readonly first?: Effect.Effect<DaysAt, StoreError>
  /** Files that an engine before has made. */
  readonly kept?: ReadonlyArray<KeptDay | KeptParts>
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
  #days: DaysAt | null = null
  /** The days as they were asked for ahead of the next question; none until there is an answer. */
  #ahead: { readonly at: number; of: ReadonlyArray<SiteDay> | null } | null = null

  constructor(options: EventFilesOptions) {
    const { postgres, database, folder, calendar, now } = options
    this.#options = options
    this.#shop = { postgres, database, held: new HeldFiles(folder), calendar, now }
    for (const file of options.kept ?? []) {
      this.#files.get(nameOf(file))?.drop()
      this.#files.set(nameOf(file), file.of === "day" ? EndedDay.kept(this.#shop, file) : this.#ofParts(file))
    }
  }

  /** A day that went on when another engine has made its parts. */
  #ofParts(kept: KeptParts): DayFiles {
    const isOfUse = GrowingDay.mayKeep(this.#shop, kept) && arePartsAsMade(kept)
    if (!isOfUse) removeParts(kept)
    const day = isOfUse ? GrowingDay.kept(this.#shop, kept) : new GrowingDay(this.#shop)
    return this.#hasEnded(kept) ? new EndedDay(this.#shop, day) : day
  }

  /** Leaves the parts of days that go on to a later engine. Nothing can be read any more. */
  keep(): void {
    for (const files of this.#files.values())
      if (files instanceof GrowingDay) files.keep(this.#options.folder)
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
    return this.#building.withPermits(1)(
      Effect.gen({ self: this }, function* () {
        yield* whereItMayEnd
        const days = yield* this.#siteDays()
        const wanted = days.filter(
          ({ site, day }) => sites.includes(site) && ranges.some((range) => touches(range, calendar, day)),
        )
        const asked = new Set(wanted.map(nameOf))
        yield* this.#prune(days.filter((day) => !asked.has(nameOf(day))))
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

  /** Takes out of all files what has gone, as a question does; returns all days of all sites. */
  readonly look = Effect.suspend(() =>
    this.#building.withPermits(1)(Effect.tap(this.#siteDays(), (days) => this.#prune(days))),
  )

  /** Takes out what has gone of days that are not asked for. */
  #prune(days: ReadonlyArray<SiteDay>): Effect.Effect<void> {
    const prune = (day: SiteDay) => {
      const files = this.#files.get(nameOf(day))
      return files === undefined ? Effect.void : orDropped(files.prune(day), () => files.drop())
    }
    return Effect.forEach(days, prune, { discard: true })
  }

  /**
   * All days of all sites, as they were a moment ago at most. Before that has passed they are asked for again, so that who asks one
   * question after another does not wait for it.
   */
  #siteDays(): Effect.Effect<ReadonlyArray<SiteDay>, StoreError> {
    const { first } = this.#options
    return this.#days === null && first !== undefined
      ? Effect.andThen(this.#learnFirst(first), this.#current)
      : this.#current
  }

  /** Where it fails, the days are read again, and whoever asks is told why. */
  #learnFirst(first: Effect.Effect<DaysAt, StoreError>): Effect.Effect<void> {
    return Effect.ignore(
      Effect.map(first, ({ at, of }) => {
        if (this.#days === null) this.#learn(at, of)
      }),
    )
  }

  readonly #current = Effect.suspend((): Effect.Effect<ReadonlyArray<SiteDay>, StoreError> => {
    const { postgres, now, calendar } = this.#options
    const at = now()
    const ahead = this.#ahead
    if (ahead !== null && ahead.of !== null) this.#learn(ahead.at, ahead.of)
    // Of a clock that was set back nobody knows how long ago it was.
    if (this.#days === null || at < this.#days.at || at - this.#days.at >= FRESH_MS)
      return Effect.map(siteDays(postgres, calendar), (of) => this.#learn(at, of))
    const { of } = this.#days
    return at - this.#days.at < FRESH_MS / 2 ? Effect.succeed(of) : Effect.as(this.#askAhead(at), of)
  })

  #learn(at: number, of: ReadonlyArray<SiteDay>): ReadonlyArray<SiteDay> {
    this.#days = { at, of }
    this.#ahead = null
    this.#forgetAllBut(of)
    return of
  }

  #askAhead(at: number): Effect.Effect<void> {
    if (this.#ahead !== null) return Effect.void
    const { postgres, calendar } = this.#options
    const ahead: { at: number; of: ReadonlyArray<SiteDay> | null } = { at, of: null }
    this.#ahead = ahead
    const asked = Effect.map(siteDays(postgres, calendar), (of) => {
      ahead.of = of
    })
    // Where it fails, the next question asks for itself, and is told why.
    return Effect.asVoid(Effect.forkDetach(Effect.catchCause(asked, () => this.#forgetAhead)))
  }

  readonly #forgetAhead = Effect.sync(() => {
    this.#ahead = null
  })

  /** A day with its files, up to date. */
  #filesOf(day: SiteDay): Effect.Effect<TakenDay, StoreError | DatabaseError | NoRoom> {
    const name = nameOf(day)
    const files = this.#known(day)
    // The one that was asked for last is the last one.
    this.#files.delete(name)
    this.#files.set(name, files)
    const upToDate = files.version === day.version ? Effect.void : files.become(day)
    const hasEnded = files instanceof EndedDay
    return Effect.map(upToDate, () => {
      const { version, tables } = files
      // It has changed since: the next question must not take it for outdated.
      if (version !== day.version) {
        if (this.#days !== null) this.#days = { ...this.#days, at: Number.NEGATIVE_INFINITY }
        this.#ahead = null
      }
      return { ...day, version, hasEnded, tables }
    })
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
    const isDamaged = known instanceof EndedDay && !known.isWhole()
    if (isDamaged) known.drop()
    if (known === undefined || isDamaged)
      return this.#hasEnded(day) ? new EndedDay(this.#shop) : new GrowingDay(this.#shop)
    const isAtRest =
      known instanceof GrowingDay &&
      known.version === day.version &&
      known.changedAt + ENDED_AFTER_MS <= now()
    return isAtRest && this.#hasEnded(day) ? new EndedDay(this.#shop, known) : known
  }

  #hasEnded({ day }: Pick<SiteDay, "day">): boolean {
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
