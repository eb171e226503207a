/**
 * Rollups: the tallies of a site's days by one dimension, kept in files, so that a question without filters adds up tallies where it would
 * count events. They are of days that have ended; those of the others are made when they are asked for, and again when they have changed.
 * Tallies look back only: when a day changes, those of the days before it stay.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { addDays, type Calendar, type Day } from "../../domain/period.ts"
import type { Query, Range } from "../language/index.ts"
import type { Database, DatabaseError, NoRoom } from "./database.ts"
import { whereItMayEnd } from "./deadline.ts"
import { HeldFiles } from "./heldFiles.ts"
import { type KeptTallies, keptTalliesName, versionOf } from "./keptFiles.ts"
import { orDropped } from "./orDropped.ts"
import { type AskedDays, askedDays, endedOf, eventsIn, type ListedDay, Rollup, stepOf } from "./rollup.ts"
import { type SiteDay, type TakenDay, tablesOf } from "./siteDay.ts"
import { rangesOf } from "./statement.ts"
import {
  filesOfTallies,
  type RangeTallies,
  type TalliesOfQuestion,
  type TallyDimension,
  tallyDimensionOf,
  writeSomeTallies,
  writeTallies,
} from "./tallies.ts"

/** Rollups by one dimension: two, as a range and the same one of a year before are not of one year's days. */
const MAX_ROLLUPS = 2

/** Files of a rollup's days, beyond which they are made one. */
const MAX_FILES = 4

/** The rollups of a site by one dimension, the one that was asked for last at the end. Only one question at a time makes some. */
interface Chain {
  readonly name: string
  readonly siteId: number
  readonly dimension: TallyDimension
  readonly making: Semaphore.Semaphore
  isMaking: boolean
  rollups: ReadonlyArray<Rollup>
}

/** What a question is told by in tallies; `undefined` where they do not tell it. */
const toldBy = (query: Query, calendar: Calendar): TallyDimension | undefined => {
  const { sites, filters, bots, metrics, dimensions, timeZone, presence = 1 } = query
  if (sites.length > 1 || filters.length > 0 || bots !== "exclude" || presence > 1) return undefined
  if (timeZone !== calendar.timeZone || dimensions.length > 1) return undefined
  if (metrics.some(({ of }) => of === "data")) return undefined
  const beginsADay = ({ from }: Range) => calendar.startOf(calendar.dayOf(from)) === from
  return rangesOf(query).every(({ range }) => beginsADay(range)) ? tallyDimensionOf(dimensions[0]) : undefined
}

/** Whether a question asks of how many visitors those of a row are a part. */
const isPart = ({ metrics }: Query): boolean =>
  metrics.some((metric) => metric.of === "events" && metric.name === "percentage")

/** A rollup, and how many of the first whole days of a range it has. */
interface Match {
  readonly rollup: Rollup
  readonly known: number
}

export interface RollupsOptions {
  readonly database: Database
  readonly folder: string
  /** Of the deployment's zone. */
  readonly calendar: Calendar
  /** What their files may take of the disk. */
  readonly maxBytes: number
  /** Files that an engine before has made. */
  readonly kept: ReadonlyArray<KeptTallies>
}

export class Rollups {
  readonly #options: RollupsOptions
  readonly #held: HeldFiles
  /** Statements that make tallies, one after the other: beside them there is memory for another that waits for nothing but its answer. */
  readonly #writing = Semaphore.makeUnsafe(1)
  /** By site and dimension, the one that was asked for last at the end. */
  readonly #chains = new Map<string, Chain>()
  /** All days of all sites when it was last looked which tallies are right. */
  #current: ReadonlyArray<SiteDay> = []
  /** Files that an engine before has made, until it is known which days there are. */
  #kept: ReadonlyArray<KeptTallies>

  constructor(options: RollupsOptions) {
    this.#options = options
    this.#held = new HeldFiles(options.folder)
    this.#kept = options.kept
    for (const { path } of options.kept) this.#held.made(path)
  }

  /**
   * Reads the tallies of a question's ranges, of which those that are missing are made; `null` where tallies do not tell it, or no sooner
   * than events would.
   * @param days those that have events of the question's ranges
   * @param current all days of all sites
   */
  read<A, E>(
    query: Query,
    days: ReadonlyArray<TakenDay>,
    current: ReadonlyArray<SiteDay>,
    reading: (tallies: ReadonlyArray<TalliesOfQuestion> | null) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | DatabaseError | NoRoom> {
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        yield* Effect.uninterruptible(this.forgetAllBut(current))
        return yield* reading(yield* this.#tallies(query, days))
      }),
    )
  }

  #tallies(
    query: Query,
    days: ReadonlyArray<TakenDay>,
  ): Effect.Effect<ReadonlyArray<TalliesOfQuestion> | null, DatabaseError | NoRoom, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { calendar } = this.#options
      const dimension = toldBy(query, calendar)
      const [first] = days
      if (dimension === undefined || first === undefined) return null
      const found: Array<TalliesOfQuestion> = []
      for (const { range } of rangesOf(query)) {
        const asked = askedDays(range, days, calendar)
        const told = yield* this.#talliesOf(this.#chainOf(first.siteId, dimension), asked)
        if (told === null) return null
        if (!isPart(query)) found.push({ told, all: null })
        else {
          const all = yield* this.#talliesOf(this.#chainOf(first.siteId, null), asked)
          if (all === null) return null
          found.push({ told, all })
        }
      }
      return found
    })
  }

  #chainOf(siteId: number, dimension: TallyDimension): Chain {
    const name = `${siteId}-${dimension ?? "all"}`
    const chain = this.#chains.get(name) ?? {
      ...{ name, siteId, dimension, rollups: [], making: Semaphore.makeUnsafe(1), isMaking: false },
    }
    this.#chains.delete(name)
    this.#chains.set(name, chain)
    return chain
  }

  /** The tallies of some days, which stay until the scope ends; `null` where most of the events are in days whose tallies are not kept. */
  #talliesOf(
    chain: Chain,
    asked: AskedDays,
  ): Effect.Effect<RangeTallies | null, DatabaseError | NoRoom, Scope.Scope> {
    const make = Effect.gen({ self: this }, function* () {
      chain.isMaking = true
      const { rollup, known } = yield* this.#goOn(chain, asked)
      const later = [...asked.whole.slice(known), ...asked.cut]
      if (eventsIn(later) > eventsIn(asked.whole.slice(0, known))) return null
      const recent = yield* this.#recent(chain, rollup, asked, later)
      this.#makeRoom(chain)
      const last = asked.whole[known - 1]
      const end = last === undefined ? asked.first : addDays(last.day, 1)
      const tallies = { files: known === 0 ? [] : rollup.files, first: asked.first, end, recent }
      this.#held.take(filesOfTallies(tallies))
      return tallies
    })
    return Effect.acquireRelease(
      chain.making.withPermits(1)(
        Effect.ensuring(
          make,
          Effect.sync(() => {
            chain.isMaking = false
          }),
        ),
      ),
      (tallies) => Effect.sync(() => tallies !== null && this.#held.giveBack(filesOfTallies(tallies))),
    )
  }

  /** The rollup that is of most use to a range; a new one where none is of any. */
  #choose(chain: Chain, asked: AskedDays): Match {
    for (const rollup of chain.rollups) if (!rollup.isWhole()) this.#drop(chain, rollup)
    const [best] = chain.rollups
      .flatMap((rollup) => {
        const known = rollup.match(asked)
        return known === null ? [] : [{ rollup, known }]
      })
      .sort((a, b) => b.known - a.known)
    const chosen = best ?? { rollup: new Rollup(asked.first), known: 0 }
    const all = [...chain.rollups.filter((other) => other !== chosen.rollup), chosen.rollup]
    chain.rollups = all.slice(-MAX_ROLLUPS)
    for (const old of all.slice(0, -MAX_ROLLUPS)) this.#held.drop(old.allFiles)
    return chosen
  }

  /** The rollup that is of most use to a range, with the days of that which have ended. */
  #goOn(chain: Chain, asked: AskedDays): Effect.Effect<Match, DatabaseError | NoRoom> {
    return Effect.gen({ self: this }, function* () {
      const { rollup, known: before } = this.#choose(chain, asked)
      let known = before
      const ended = asked.whole.slice(0, known + endedOf(asked.whole.slice(known)).length)
      if (known === ended.length) return { rollup, known }
      if (!rollup.mayGoOnFrom(asked.first)) return { rollup, known }
      // Of days to come nobody looks for visitors before the range.
      if (rollup.since < asked.first) yield* this.#keep(chain, rollup, asked.first, rollup.end)
      while (known < ended.length) {
        yield* whereItMayEnd
        const step = stepOf(ended.slice(known))
        const made = yield* this.#make(chain, step, asked.whole.slice(0, known))
        const of = [...rollup.daysIn(rollup.since, rollup.end), ...step]
        rollup.add(step, this.#named(chain, rollup.since, of, step, made))
        known += step.length
      }
      if (rollup.files.length > MAX_FILES) yield* this.#keep(chain, rollup, rollup.since, rollup.end)
      return { rollup, known }
    })
  }

  /** Files of the tallies of days whose tallies the rollup does not have. */
  #recent(
    chain: Chain,
    rollup: Rollup,
    { first, whole, until }: AskedDays,
    later: ReadonlyArray<TakenDay>,
  ): Effect.Effect<ReadonlyArray<string>, DatabaseError | NoRoom> {
    return Effect.gen({ self: this }, function* () {
      const [next] = later
      if (next === undefined) return []
      const of = { first, until, days: later.map(({ day, version }) => ({ day, version })) }
      const before = whole.filter(({ day }) => day < next.day)
      const files = rollup.recent(of) ?? (yield* this.#make(chain, later, before, until))
      this.#held.drop(rollup.keepRecent(of, files))
      return files
    })
  }

  /** Keeps the tallies of a rollup's days from one on until before another, and no others, in one file. */
  #keep(chain: Chain, rollup: Rollup, first: Day, end: Day): Effect.Effect<void, DatabaseError | NoRoom> {
    const files = rollup.files
    const days = rollup.daysIn(first, end)
    const target = this.#held.path(`${chain.name}-tallies`)
    const isNone = files.length === 0 || first >= end
    const made = isNone
      ? Effect.succeed([])
      : this.#write(target, writeSomeTallies(target, files, first, end))
    return Effect.map(made, (kept) =>
      this.#held.drop(rollup.keep(first, end, this.#named(chain, first, days, days, kept))),
    )
  }

  /** Gives files with the tallies of some days, of all that they are of since another, names by which a later engine knows them. */
  #named(
    { siteId, dimension }: Chain,
    since: Day,
    all: ReadonlyArray<ListedDay>,
    days: ReadonlyArray<ListedDay>,
    files: ReadonlyArray<string>,
  ): ReadonlyArray<string> {
    const [first, last] = [days[0], days.at(-1)]
    if (first === undefined || last === undefined) return files
    const told = { first: first.day, end: addDays(last.day, 1), version: versionOf(all) }
    const of = { siteId, dimension, since, ...told }
    return files.map((file) => this.#held.rename(file, keptTalliesName(of, file)))
  }

  /** Takes over the rollups of an engine before, as far as they are of these days. */
  #takeOver(current: ReadonlyArray<SiteDay>) {
    const ofRollups = Map.groupBy(
      this.#kept,
      ({ siteId, dimension, since }) => `${siteId} ${dimension} ${since}`,
    )
    this.#kept = []
    for (const files of ofRollups.values()) {
      const [first] = files
      if (first === undefined) continue
      const chain = this.#chainOf(first.siteId, first.dimension)
      const rollup = Rollup.kept(
        first.since,
        files,
        current.filter(({ siteId }) => siteId === first.siteId),
      )
      const isOne = rollup.files.length > 0 && chain.rollups.length < MAX_ROLLUPS
      if (isOne) chain.rollups = [...chain.rollups, rollup]
      this.#held.drop(files.flatMap(({ path }) => (isOne && rollup.files.includes(path) ? [] : [path])))
    }
  }

  /** Files of the tallies of some days, which look back on others; none where there are no events. */
  #make(
    { name, dimension }: Chain,
    days: ReadonlyArray<TakenDay>,
    before: ReadonlyArray<TakenDay>,
    until = Number.MAX_SAFE_INTEGER,
  ): Effect.Effect<ReadonlyArray<string>, DatabaseError | NoRoom> {
    const of = tablesOf(days)
    if (of.ended.length + of.growing.length === 0) return Effect.succeed([])
    const target = this.#held.path(`${name}-tallies`)
    return this.#write(target, writeTallies(target, { dimension, of, until, before: tablesOf(before) }))
  }

  /** Writes a file; one that is not finished goes. */
  #write(target: string, statement: string): Effect.Effect<ReadonlyArray<string>, DatabaseError | NoRoom> {
    return this.#writing
      .withPermits(1)(this.#options.database.rows(statement))
      .pipe(
        Effect.map(() => {
          this.#held.made(target)
          return [target]
        }),
        Effect.onError(() => Effect.sync(() => this.#held.drop([target]))),
      )
  }

  /** Removes rollups that were not asked for the longest, until the others have room. */
  #makeRoom(asked: Chain) {
    for (const chain of this.#chains.values()) {
      if (this.#held.bytes <= this.#options.maxBytes) return
      if (chain === asked || chain.isMaking) continue
      for (const rollup of chain.rollups) this.#held.drop(rollup.allFiles)
      chain.rollups = []
    }
  }

  /** Forgets the tallies of days that have changed or gone, an erased visitor's among them, and of those that look back on them. */
  forgetAllBut(current: ReadonlyArray<SiteDay>): Effect.Effect<void> {
    if (current === this.#current) return Effect.void
    this.#current = current
    this.#takeOver(current)
    const bySite = Map.groupBy(current, ({ siteId }) => siteId)
    return Effect.forEach(
      [...this.#chains.values()].filter(({ isMaking }) => !isMaking),
      (chain) => {
        const days = bySite.get(chain.siteId) ?? []
        const versions = new Map(days.map(({ day, version }) => [day, version]))
        return chain.making.withPermits(1)(
          Effect.forEach(chain.rollups, (rollup) => this.#forgetChanged(chain, rollup, versions), {
            discard: true,
          }),
        )
      },
      { discard: true },
    )
  }

  #forgetChanged(chain: Chain, rollup: Rollup, versions: ReadonlyMap<Day, string>): Effect.Effect<void> {
    this.#held.drop(rollup.forgetRecentBut(versions))
    const { first, end } = rollup.rightDays(versions)
    if (first === rollup.since && end === rollup.end) return Effect.void
    const drop = () => this.#drop(chain, rollup)
    return rollup.isWhole() ? orDropped(this.#keep(chain, rollup, first, end), drop) : Effect.sync(drop)
  }

  #drop(chain: Chain, rollup: Rollup) {
    chain.rollups = chain.rollups.filter((other) => other !== rollup)
    this.#held.drop(rollup.allFiles)
  }
}
