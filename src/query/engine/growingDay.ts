/**
 * A day that goes on: of its chunks, only those are read that are new since it was asked for last; each time they are a part of its
 * files. A small part is merged with those after it before they are half as large together, so there are few, and an event is written
 * again a few times only. Where chunks have gone (compaction, an erasure, retention), the parts that had them are made again without.
 */
import { rmSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Calendar } from "../../domain/period.ts"
import { CHUNK_KEY } from "../../events/chunks/index.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres, Session } from "../../stores/postgres.ts"
import { CHUNK_COLUMNS, type ChunkRow, type LinesFile, writeLines } from "./chunkLines.ts"
import { type Database, type DatabaseError, type NoRoom, needsMore } from "./database.ts"
import {
  type PartSource,
  writeEvents,
  writePartVisits,
  writeVisits,
  writeVisitsTogether,
} from "./dayParts.ts"
import { whereItMayEnd } from "./deadline.ts"
import {
  type Chunks,
  filesOfParts,
  type KeptParts,
  keepParts,
  keptPartName,
  type ListedPart,
} from "./keptParts.ts"
import {
  CHUNKS_OF_DAY,
  chunkValues,
  type DayFiles,
  firstVisitOf,
  makeFile,
  makeTogether,
  rangeOf,
  type SiteDay,
  type Workshop,
} from "./siteDay.ts"
import { versionIn } from "./siteDays.ts"

/**
 * What a statement that makes a part takes of the memory, bytes: to read lines at all, and for each event (DuckDB 1.5, one thread: 60 MB
 * for 10,000 events of 160 bytes of lines each, 200 MB for 100,000).
 */
const [READING_BYTES, EVENT_BYTES] = [44 * 1024 * 1024, 2.5 * 1024]

/** Bytes of lines that an event is given; one that has more counts as several. */
const LINE_BYTES = 512

/** Beyond this a part is worth no more, whatever memory there is. */
const MAX_PART_SIZE = 100_000

/**
 * Size of a part at most, in events: its chunks are read together, and its events sorted in memory. A day that has more is made in steps,
 * and what a question has made that took too long is there for the next one.
 */
const partSize = ({ memoryBytes }: Database): number =>
  Math.min(MAX_PART_SIZE, Math.floor((memoryBytes - READING_BYTES) / EVENT_BYTES))

/** Shares of a day's visitors at most: their visits are put together in memory, those of one visitor at once. */
const MAX_SHARES = 256

/** Chunks that are read at a time. */
const CHUNKS_AT_A_TIME = 50

const GONE = `
  SELECT known::text AS key FROM unnest($6::bigint[]) AS known
  WHERE NOT EXISTS (SELECT FROM (SELECT ${CHUNK_KEY} AS key FROM event_chunks WHERE ${CHUNKS_OF_DAY}) AS there WHERE there.key = known)`

/** The first of those that are new, until they have $7 events. */
const NEW = `
  SELECT key::text, events, ${CHUNK_COLUMNS} FROM (
    SELECT *, sum(events) OVER (ORDER BY first_at, key) - events AS before
    FROM (SELECT *, ${CHUNK_KEY} AS key FROM event_chunks WHERE ${CHUNKS_OF_DAY}) AS there
    WHERE NOT EXISTS (SELECT FROM unnest($6::bigint[]) AS known WHERE known = key)
  ) AS new
  WHERE before < $7`

type NewRow = ChunkRow & { readonly key: string; readonly events: number; readonly [column: string]: unknown }

interface Part extends ListedPart {
  /** That of its chunks together. */
  readonly size: number
}

/** Times that a part must be larger than those after it together. */
const RATIO = 2

const filesOf = (parts: ReadonlyArray<Part>) => filesOfParts({ parts, visits: null })

const sizeOf = (chunks: Chunks): number => {
  let size = 0
  for (const chunk of chunks.values()) size += chunk.size
  return size
}

/** What is new of a day, and what has gone; `lines` are the new chunks, and `version` is of all that there are. */
interface News {
  readonly version: string
  readonly gone: ReadonlySet<string>
  readonly added: Chunks
  readonly lines: LinesFile
}

/** Those of some known chunks of a day that are not there any more. */
export const goneOf = (
  postgres: Postgres,
  calendar: Calendar,
  of: SiteDay,
  known: ReadonlyArray<string>,
): Effect.Effect<ReadonlySet<string>, StoreError> =>
  Effect.map(
    postgres.query<{ key: string }>("day_chunks", GONE, knownValues(calendar, of, known)),
    (rows) => new Set(rows.map(({ key }) => key)),
  )

const knownValues = (
  calendar: Calendar,
  of: SiteDay,
  known: ReadonlyArray<string>,
): ReadonlyArray<unknown> => [...[...chunkValues(of, rangeOf(calendar, of.day)), known]]

export class GrowingDay implements DayFiles {
  readonly #shop: Workshop
  readonly #partSize: number
  #of: Pick<SiteDay, "siteId" | "day"> | null = null
  #version = ""
  #parts: ReadonlyArray<Part> = []
  #visits: string | null = null
  /** Shares of its visitors whose visits can be put together. */
  #shares = 1
  #nextChunk = 0
  /** The version of which its files have nothing that has gone by then. */
  #pruned = ""
  #changedAt = 0

  constructor(shop: Workshop) {
    this.#shop = shop
    this.#partSize = partSize(shop.database)
  }

  /** Whether parts that another engine has made are no larger than this one makes them: it may have had more memory. */
  static mayKeep({ database }: Workshop, { parts }: KeptParts): boolean {
    const largest = (chunks: Chunks) => Math.max(...[...chunks.values()].map(({ size }) => size))
    return parts.every(({ chunks }) => sizeOf(chunks) - largest(chunks) < partSize(database))
  }

  /** One of which another engine has made parts. */
  static kept(shop: Workshop, kept: KeptParts): GrowingDay {
    const day = new GrowingDay(shop)
    for (const file of filesOfParts(kept)) shop.held.made(file)
    rmSync(kept.path, { force: true })
    day.#of = kept
    day.#parts = kept.parts.map((part) => ({ ...part, size: sizeOf(part.chunks) }))
    day.#visits = kept.visits
    day.#nextChunk = kept.nextChunk
    day.#changedAt = kept.changedAt
    // Where visits are missing, there is more to do than nothing.
    day.#version = kept.visits === null ? "" : kept.version
    return day
  }

  /** Leaves its parts to a later engine, in a folder; it is of no use any more. */
  keep(folder: string): void {
    if (this.#of === null || this.#parts.length === 0) return
    const { siteId, day } = this.#of
    const named = (file: string) => this.#shop.held.rename(file, keptPartName({ siteId, day }, file))
    const parts = this.#parts.map((part) => ({
      ...part,
      events: named(part.events),
      visits: named(part.visits),
    }))
    const visits = this.#visits === null ? null : named(this.#visits)
    const [version, changedAt, nextChunk] = [this.#version, this.#changedAt, this.#nextChunk]
    keepParts(folder, { siteId, day, version, changedAt, nextChunk, parts, visits })
  }

  get version() {
    return this.#version
  }

  /** When its version was last seen to be another, unix milliseconds. */
  get changedAt() {
    return this.#changedAt
  }

  get tables() {
    return {
      ended: [],
      growing: this.#visits === null ? [] : [{ parts: this.#parts, visits: this.#visits }],
    }
  }

  become(of: SiteDay): Effect.Effect<void, StoreError | DatabaseError | NoRoom> {
    const { held } = this.#shop
    return Effect.gen({ self: this }, function* () {
      this.#of = of
      const before = this.#version
      let version: string | null = null
      while (version === null) {
        yield* whereItMayEnd
        // Of no version until all that there is has been read: by an erasure, a day can come to be again what it was.
        this.#version = ""
        this.#pruned = ""
        const path = held.path(`${of.siteId}-${of.day}`, "lines")
        version = yield* this.#news(of, path).pipe(
          Effect.tap((news) => this.#take(of, news)),
          Effect.map((news) => (sizeOf(news.added) < this.#partSize ? news.version : null)),
          Effect.ensuring(Effect.sync(() => rmSync(path, { force: true }))),
        )
      }
      if (this.#visits === null && this.#parts.length > 0) this.#visits = yield* this.#writeVisits(of)
      if (before !== version) this.#changedAt = this.#shop.now()
      this.#version = version
    })
  }

  prune(of: SiteDay): Effect.Effect<void, StoreError | DatabaseError | NoRoom> {
    const { postgres, calendar } = this.#shop
    if (this.#parts.length === 0 || this.#version === of.version || this.#pruned === of.version)
      return Effect.void
    return Effect.gen({ self: this }, function* () {
      yield* this.#removeGone(of, yield* goneOf(postgres, calendar, of, this.#known))
      this.#pruned = of.version
    })
  }

  /** Keys of the chunks that its files have. */
  get #known(): ReadonlyArray<string> {
    return this.#parts.flatMap(({ chunks }) => [...chunks.keys()])
  }

  /** What there is of the day and what was known before, told from one snapshot. */
  #news(of: SiteDay, path: string): Effect.Effect<News, StoreError | DatabaseError | NoRoom> {
    const { postgres } = this.#shop
    const values = knownValues(this.#shop.calendar, of, this.#known)
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const session: Session = yield* postgres.session("day_chunks")
        yield* session.begin("reading")
        const version = yield* versionIn(session, this.#shop.calendar, of)
        const gone = yield* session.query<{ key: string }>(GONE, values)
        const added = new Map<string, { number: number; size: number }>()
        let size = 0
        const isFull = () => size >= this.#partSize
        const chunks = session.stream<NewRow>(NEW, [...values, this.#partSize], CHUNKS_AT_A_TIME)
        const lines = yield* writeLines(path, Stream.takeUntil(chunks, isFull), {
          numberOf: () => (isFull() ? null : this.#nextChunk++),
          onLine: ({ key, events }, number, bytes) => {
            const ofChunk = Math.max(events, Math.floor(bytes / LINE_BYTES))
            added.set(key, { number, size: ofChunk })
            size += ofChunk
          },
        })
        return { version, gone: new Set(gone.rows.map(({ key }) => key)), added, lines }
      }),
    )
  }

  /** Makes parts again without the chunks that have gone, and one of those that are new. */
  #take(of: SiteDay, { gone, added, lines }: News): Effect.Effect<void, DatabaseError | NoRoom> {
    return Effect.gen({ self: this }, function* () {
      yield* this.#removeGone(of, gone)
      if (added.size === 0) return
      let size = sizeOf(added)
      let first = this.#parts.length
      for (let before = this.#parts[first - 1]; before !== undefined; before = this.#parts[first - 1]) {
        if (before.size >= RATIO * size || before.size + size > this.#partSize) break
        size += before.size
        first--
      }
      yield* this.#replace(of, this.#parts.slice(first), lines, added, gone)
    })
  }

  /** Makes the parts that have some of these chunks again, without. */
  #removeGone(of: SiteDay, gone: ReadonlySet<string>): Effect.Effect<void, DatabaseError | NoRoom> {
    const damaged = this.#parts.filter(({ chunks }) => [...gone].some((key) => chunks.has(key)))
    return Effect.forEach(damaged, (part) => this.#replace(of, [part], null, new Map(), gone), {
      discard: true,
    })
  }

  /** Replaces neighbouring parts, or none at the end, by one that has their chunks, but for those that have gone, and others. */
  #replace(
    of: SiteDay,
    parts: ReadonlyArray<Part>,
    lines: LinesFile | null,
    added: Chunks,
    gone: ReadonlySet<string>,
  ): Effect.Effect<void, DatabaseError | NoRoom> {
    const { held, calendar } = this.#shop
    const old = parts.flatMap(({ chunks }) => [...chunks])
    const chunks: Chunks = new Map([...old.filter(([key]) => !gone.has(key)), ...added])
    const [first] = parts
    const at = first === undefined ? this.#parts.length : this.#parts.indexOf(first)
    const before = this.#parts[at - 1]
    const firstVisit = before === undefined ? 0 : before.firstVisit + before.size
    const source: PartSource = {
      ...{ lines, day: rangeOf(calendar, of.day), events: parts.map(({ events }) => events) },
      without: old.filter(([key]) => gone.has(key)).map(([, { number }]) => number),
      firstVisit: firstVisitOf(of) + BigInt(firstVisit),
    }
    return Effect.gen({ self: this }, function* () {
      const made: Array<Part> = []
      if (chunks.size > 0) {
        const events = yield* makeFile(
          this.#shop,
          of,
          "events",
          (target) => writeEvents(target, source),
          lines !== null,
        )
        const visits = yield* makeFile(this.#shop, of, "visits", (target) =>
          writePartVisits(target, events),
        ).pipe(Effect.onError(() => Effect.sync(() => held.drop([events]))))
        made.push({ events, visits, chunks, size: sizeOf(chunks), firstVisit })
      }
      this.#parts = this.#parts.toSpliced(at, parts.length, ...made)
      this.#forgetVisits()
      held.drop(filesOf(parts))
    })
  }

  /** Visits are put together in as few shares as there is memory for: how much they take is known when it was tried. */
  #writeVisits(of: SiteDay): Effect.Effect<string, DatabaseError | NoRoom> {
    const shares = this.#shares
    const statements = Array.from(
      { length: shares },
      (_, number) => (target: string) => writeVisits(target, this.#parts, { number, of: shares }),
    )
    return Effect.catchIf(
      makeTogether(this.#shop, of, "day", statements, writeVisitsTogether),
      (error) => needsMore(error) && shares < MAX_SHARES,
      () => {
        this.#shares = shares * 2
        return this.#writeVisits(of)
      },
    )
  }

  #forgetVisits() {
    if (this.#visits !== null) this.#shop.held.drop([this.#visits])
    this.#visits = null
  }

  drop() {
    this.#forgetVisits()
    this.#shop.held.drop(filesOf(this.#parts))
    this.#parts = []
    this.#version = ""
  }
}
