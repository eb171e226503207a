/** A day that has ended: one file, made of the parts that a day that goes on has. */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../stores/errors.ts"
import type { DatabaseError, NoRoom } from "./database.ts"
import { writeDay } from "./dayParts.ts"
import { GrowingDay } from "./growingDay.ts"
import { type DayFiles, makeFile, type SiteDay, type Workshop } from "./siteDay.ts"

export class EndedDay implements DayFiles {
  readonly #shop: Workshop
  /** Its parts, until the file is made of them. */
  readonly #parts: GrowingDay
  #version = ""
  #file: string | null = null

  /** @param parts what there is of it already, which is its own from now on */
  constructor(shop: Workshop, parts = new GrowingDay(shop)) {
    this.#shop = shop
    this.#parts = parts
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
      for (const day of this.#parts.tables.growing)
        this.#file = yield* makeFile(this.#shop, of, "ended", (target) => writeDay(target, day))
      this.#parts.drop()
      this.#version = of.version
    })
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
