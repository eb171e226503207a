/** A day that has ended: one file, made of the parts that a day that goes on has. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { DatabaseError, NoRoom } from "./database.ts"
import { type PartedDay, writeAsAsked, writeTogether } from "./dayParts.ts"
import { GrowingDay } from "./growingDay.ts"
import { isAsMade, type KeptDay, keptDayName } from "./keptFiles.ts"
import { type DayFiles, makeTogether, type SiteDay, type Workshop } from "./siteDay.ts"

export class EndedDay implements DayFiles {
  readonly #shop: Workshop
  /** Its parts, until the file is made of them. */
  readonly #parts: GrowingDay
  #version = ""
  #file: string | null = null
  /** Its file, where another engine has made it and it was not read yet. */
  #kept: KeptDay | null = null

  /** @param parts what there is of it already, which is its own from now on */
  constructor(shop: Workshop, parts = new GrowingDay(shop)) {
    this.#shop = shop
    this.#parts = parts
  }

  /** One of which another engine has made the file. */
  static kept(shop: Workshop, kept: KeptDay): EndedDay {
    const day = new EndedDay(shop)
    shop.held.made(kept.path)
    day.#version = kept.version
    day.#file = kept.path
    day.#kept = kept
    return day
  }

  /** Whether its file can be read: one that another engine has made may be damaged. */
  isWhole(): boolean {
    const kept = this.#kept
    this.#kept = null
    return kept === null || isAsMade(kept)
  }

  get version() {
    return this.#version
  }

  get tables() {
    return { ended: this.#file === null ? [] : [this.#file], growing: [] }
  }

  become(of: SiteDay): Effect.Effect<void, StoreError | DatabaseError | NoRoom> {
    return Effect.gen({ self: this }, function* () {
      yield* this.#parts.become(of)
      const { version, tables } = this.#parts
      for (const day of tables.growing)
        this.#file = yield* Effect.map(this.#write(of, day), (file) =>
          this.#shop.held.rename(file, keptDayName({ ...of, version }, file)),
        )
      this.#parts.drop()
      this.#version = version
    })
  }

  /** One part at a time is joined with its visits and sorted. */
  #write(of: SiteDay, day: PartedDay): Effect.Effect<string, DatabaseError | NoRoom> {
    return makeTogether(
      this.#shop,
      of,
      "ended",
      day.parts.map((part) => (target) => writeAsAsked(target, part, day)),
      writeTogether,
    )
  }

  prune(of: SiteDay) {
    return this.#parts.prune(of)
  }

  drop() {
    this.#parts.drop()
    if (this.#file !== null) this.#shop.held.drop([this.#file])
    this.#file = null
    this.#version = ""
  }
}
