/** A rollup: the tallies of a site's days by one dimension, and which days those are. */
import { addDays, type Calendar, type Day } from "../../domain/period.ts"
import type { Range } from "../language/index.ts"
import { isAsMade, type KeptTallies, lookedAt, versionOf } from "./keptFiles.ts"
import { rangeOf, type SiteDay, type TakenDay } from "./siteDay.ts"

/** Events whose tallies are made at a time, of whole days: they are in memory together. */
export const STEP_EVENTS = 500_000

/** Tallies that are kept of days that go on: as many as there are usual ranges that end today. */
const MAX_RECENT = 8

/** A rollup may forget this part of its first days, to go on with later ones. */
const FORGOTTEN = 1 / 4

/** Events of some days, at most. */
export const eventsIn = (days: ReadonlyArray<SiteDay>): number =>
  days.reduce((sum, { events }) => sum + events, 0)

/** The first of a list for which something holds. */
const takeWhile = <A>(list: ReadonlyArray<A>, holds: (each: A, i: number) => boolean): ReadonlyArray<A> => {
  const end = list.findIndex((each, i) => !holds(each, i))
  return end === -1 ? list : list.slice(0, end)
}

/** The first of some days that have no more than {@link STEP_EVENTS} together; at least one. */
export const stepOf = (days: ReadonlyArray<TakenDay>): ReadonlyArray<TakenDay> => {
  let events = 0
  return takeWhile(days, (day) => {
    const isFirst = events === 0
    events += day.events
    return isFirst || events <= STEP_EVENTS
  })
}

/** The first of some days that have ended. */
export const endedOf = (days: ReadonlyArray<TakenDay>): ReadonlyArray<TakenDay> =>
  takeWhile(days, ({ hasEnded }) => hasEnded)

/** The days of a range that may have events, in order. */
export interface AskedDays {
  /** The first one, from which on visitors are counted. */
  readonly first: Day
  /** Those of which the range has all. */
  readonly whole: ReadonlyArray<TakenDay>
  /** The last one, where the range ends within it. */
  readonly cut: ReadonlyArray<TakenDay>
  /** Where the range ends, unix milliseconds. */
  readonly until: number
}

/** Those of some days that are a range's, which begins with a day. */
export const askedDays = (
  { from, until }: Range,
  days: ReadonlyArray<TakenDay>,
  calendar: Calendar,
): AskedDays => {
  const touched = days
    .map((day) => ({ day, range: rangeOf(calendar, day.day) }))
    .filter(({ range }) => range.from < until && range.until > from)
  const isWhole = ({ range }: { readonly range: Range }) => range.until <= until
  return {
    first: touched[0]?.day.day ?? calendar.dayOf(from),
    whole: touched.filter(isWhole).map(({ day }) => day),
    cut: touched.filter((each) => !isWhole(each)).map(({ day }) => day),
    until,
  }
}

/** A day, and the version that tallies are of. */
export interface ListedDay {
  readonly day: Day
  readonly version: string
}

/** What tallies of later days are of: these days, of a range. */
interface Recent {
  readonly first: Day
  readonly until: number
  readonly days: ReadonlyArray<ListedDay>
}

export class Rollup {
  #since: Day
  #days: ReadonlyArray<ListedDay> = []
  #files: ReadonlyArray<string> = []
  /** Tallies of days after its own, by what they are of. */
  #recent = new Map<string, Recent & { readonly files: ReadonlyArray<string> }>()
  /** Those of its files that an engine before has made and that were not read yet. */
  #kept: ReadonlyArray<KeptTallies> = []

  /** @param since the first day of the ranges that it tells of, or an earlier one */
  constructor(since: Day) {
    this.#since = since
  }

  /** That of an engine before, which has left these files: as far as they are of a site's days as they are now. */
  static kept(since: Day, files: ReadonlyArray<KeptTallies>, days: ReadonlyArray<SiteDay>): Rollup {
    const rollup = new Rollup(since)
    for (const file of [...files].sort((a, b) => (a.first < b.first ? -1 : 1))) {
      const all = lookedAt(file, days)
      const added = all.filter(({ day }) => day >= rollup.end)
      const isNext = added[0]?.day === file.first && versionOf(all) === file.version
      if (!isNext) continue
      rollup.add(added, [file.path])
      rollup.#kept = [...rollup.#kept, file]
    }
    return rollup
  }

  /** Whether its files can be read: those that another engine has made may be damaged. */
  isWhole(): boolean {
    const kept = this.#kept
    this.#kept = []
    return kept.every(isAsMade)
  }

  get since() {
    return this.#since
  }

  /** Files with the tallies of its days. */
  get files() {
    return this.#files
  }

  /** The day after its last one. */
  get end(): Day {
    const last = this.#days.at(-1)
    return last === undefined ? this.#since : addDays(last.day, 1)
  }

  /** All its files. */
  get allFiles(): ReadonlyArray<string> {
    return [...this.#files, ...[...this.#recent.values()].flatMap(({ files }) => files)]
  }

  /** Its days from one on until before another. */
  daysIn(first: Day, end: Day): ReadonlyArray<ListedDay> {
    return this.#listedFrom(first).filter(({ day }) => day < end)
  }

  #listedFrom(first: Day): ReadonlyArray<ListedDay> {
    return this.#days.filter(({ day }) => day >= first)
  }

  /** How many of the first whole days of a range it has; `null` where it is of no use to that. */
  match({ first, whole }: AskedDays): number | null {
    if (this.#since > first) return null
    const listed = this.#listedFrom(first)
    const known = takeWhile(
      whole,
      ({ day, version }, i) => listed[i]?.day === day && listed[i]?.version === version,
    ).length
    if (known === whole.length) return known
    // Days cannot be put between others: those after them look back on them.
    if (listed.length > known) return null
    const missing = eventsIn(endedOf(whole.slice(known)))
    return missing === 0 || this.mayGoOnFrom(first) || (known > 0 && missing <= STEP_EVENTS) ? known : null
  }

  /** Whether it can have more days when it knows nothing from before the first day of a range, and is worth that. */
  mayGoOnFrom(first: Day): boolean {
    return this.#since === first || this.#listedFrom(first).length >= (1 - FORGOTTEN) * this.#days.length
  }

  /** Adds days after its last one, with their tallies. */
  add(days: ReadonlyArray<SiteDay>, files: ReadonlyArray<string>): void {
    this.#days = [...this.#days, ...days.map(({ day, version }) => ({ day, version }))]
    this.#files = [...this.#files, ...files]
  }

  /**
   * The days of which its tallies are right: none that has gone or changed, and none that looks back on one that has changed. Days that have
   * gone from its beginning are before any range.
   */
  rightDays(versions: ReadonlyMap<Day, string>): { readonly first: Day; readonly end: Day } {
    const there = this.#days.slice(takeWhile(this.#days, ({ day }) => !versions.has(day)).length)
    const right = takeWhile(there, ({ day, version }) => versions.get(day) === version)
    const [first, last] = [right[0], right.at(-1)]
    if (first === undefined || last === undefined) return { first: this.#since, end: this.#since }
    return { first: first === this.#days[0] ? this.#since : first.day, end: addDays(last.day, 1) }
  }

  /** Keeps its days from one on until before another, with their tallies in other files; returns the files that it has no more. */
  keep(first: Day, end: Day, files: ReadonlyArray<string>): ReadonlyArray<string> {
    const old = this.#files
    const isLess = first > this.#since || end < this.end
    this.#since = first
    this.#days = this.#days.filter(({ day }) => day >= first && day < end)
    this.#files = files
    return isLess ? [...old, ...this.forgetRecentBut(new Map())] : old
  }

  /** Forgets all tallies of later days that are not as some versions tell; returns their files. */
  forgetRecentBut(versions: ReadonlyMap<Day, string>): ReadonlyArray<string> {
    const old = [...this.#recent].filter(([, { days }]) =>
      days.some(({ day, version }) => versions.get(day) !== version),
    )
    for (const [name] of old) this.#recent.delete(name)
    return old.flatMap(([, { files }]) => files)
  }

  /** Files of the tallies of later days, where they are kept. */
  recent(of: Recent): ReadonlyArray<string> | undefined {
    return this.#recent.get(JSON.stringify(of))?.files
  }

  /** Keeps files of the tallies of later days; returns those that it keeps no longer, as others were asked for since. */
  keepRecent(of: Recent, files: ReadonlyArray<string>): ReadonlyArray<string> {
    const name = JSON.stringify(of)
    this.#recent.delete(name)
    this.#recent.set(name, { ...of, files })
    const old = [...this.#recent].slice(0, -MAX_RECENT)
    for (const [each] of old) this.#recent.delete(each)
    return old.flatMap(([, recent]) => recent.files)
  }
}
