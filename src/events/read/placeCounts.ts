/** How often there was a click at each place, without an object for each: there may be hundreds of thousands. */
import { randomInt } from "node:crypto"
import type { HeatmapPoint } from "../../domain/answers.ts"

/** A double, and the two words that it is in memory. */
const DOUBLE = new Float64Array(1)
const WORDS = new Uint32Array(DOUBLE.buffer)

/** Odd factors that the hash multiplies those words with. Nobody can know them, and send clicks whose hashes are alike. */
const factor = () => 2 * randomInt(2 ** 31) + 1
const [X0, X1, Y0, Y1] = [factor(), factor(), factor(), factor()]

/** Room for places at first. */
const FIRST = 1024

/** A table of places by their hashes, in which those that collide follow each other; at most half of it is taken. */
export class PlaceCounts {
  #x = new Float64Array(FIRST)
  #y = new Float64Array(FIRST)
  #counts = new Uint32Array(FIRST)
  /** Where in the lists above a place is, from 1; 0 where there is none. */
  #slots = new Uint32Array(2 * FIRST)
  #size = 0

  /** Different places. */
  get size(): number {
    return this.#size
  }

  /** Counts a click. */
  add(clickX: number, clickY: number): void {
    // −0 is 0.
    const x = clickX + 0
    const y = clickY + 0
    const slots = this.#slots
    for (let slot = this.#slotOf(x, y); ; slot = (slot + 1) & (slots.length - 1)) {
      const place = (slots[slot] ?? 0) - 1
      if (place < 0) {
        this.#insert(slot, x, y)
        return
      }
      if (this.#x[place] === x && this.#y[place] === y) {
        this.#counts[place] = (this.#counts[place] ?? 0) + 1
        return
      }
    }
  }

  #insert(slot: number, x: number, y: number): void {
    const place = this.#size++
    this.#x[place] = x
    this.#y[place] = y
    this.#counts[place] = 1
    this.#slots[slot] = place + 1
    if (this.#size === this.#x.length) this.#grow()
  }

  #grow(): void {
    const [x, y, counts] = [this.#x, this.#y, this.#counts]
    const room = 2 * this.#size
    this.#x = new Float64Array(room)
    this.#x.set(x)
    this.#y = new Float64Array(room)
    this.#y.set(y)
    this.#counts = new Uint32Array(room)
    this.#counts.set(counts)
    this.#slots = new Uint32Array(2 * room)
    for (let place = 0; place < this.#size; place++) {
      let slot = this.#slotOf(x[place] ?? 0, y[place] ?? 0)
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1)
      this.#slots[slot] = place + 1
    }
  }

  /** Where a place is looked for first: by the highest bits of its hash, which are the best. */
  #slotOf(x: number, y: number): number {
    DOUBLE[0] = x
    const ofX = Math.imul(X0, WORDS[0] ?? 0) + Math.imul(X1, WORDS[1] ?? 0)
    DOUBLE[0] = y
    const ofY = Math.imul(Y0, WORDS[0] ?? 0) + Math.imul(Y1, WORDS[1] ?? 0)
    return (ofX + ofY) >>> (Math.clz32(this.#slots.length) + 1)
  }

  /** The most clicked places, at most so many: by their clicks, then by x and y. */
  most(limit: number): ReadonlyArray<HeatmapPoint> {
    const least = this.#least(limit)
    const found: Array<HeatmapPoint> = []
    for (let place = 0; place < this.#size; place++) {
      const count = this.#counts[place] ?? 0
      if (count < least.count) continue
      const x = this.#x[place] ?? 0
      if (count > least.count || x <= least.x) found.push({ x, y: this.#y[place] ?? 0, count })
    }
    return found.sort((a, b) => b.count - a.count || a.x - b.x || a.y - b.y).slice(0, limit)
  }

  /** What spares sorting all places: the clicks of the last of the most clicked ones, and of those with as many the greatest x. */
  #least(limit: number): { readonly count: number; readonly x: number } {
    const counts = this.#counts.subarray(0, this.#size)
    const places = new Uint32Array(counts.reduce((most, count) => Math.max(most, count), 1) + 1)
    for (const count of counts) places[count] = (places[count] ?? 0) + 1
    let count = places.length - 1
    let more = 0
    while (count > 1 && more + (places[count] ?? 0) < limit) more += places[count--] ?? 0
    if (more + (places[count] ?? 0) <= limit) return { count, x: Number.POSITIVE_INFINITY }
    const last = this.#x
      .subarray(0, this.#size)
      .filter((_, place) => counts[place] === count)
      .sort()
    return { count, x: last[limit - more - 1] ?? Number.POSITIVE_INFINITY }
  }
}
