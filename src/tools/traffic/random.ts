/** A seeded random number generator: the same seed gives the same traffic. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A number from 0 (inclusive) to 1 (exclusive). Mulberry32 by Tommy Ettinger (public domain). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `min` to `max`, both inclusive. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<const A>(values: readonly [A, ...Array<A>]): A {
    return values[Math.floor(this.next() * values.length)] ?? values[0]
  }

  /** A value, chosen by weight. */
  weighted<const A>(choices: readonly [readonly [A, number], ...Array<readonly [A, number]>]): A {
    let at = this.next() * choices.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [value, weight] of choices) {
      at -= weight
      if (at < 0) return value
    }
    return choices[0][0]
  }

  /** A version 4 UUID. */
  uuid(): string {
    const word = () => Math.floor(this.next() * 2 ** 32)
    const hex = [word(), word(), word(), word()].map((each) => each.toString(16).padStart(8, "0")).join("")
    const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) & 3]
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
  }
}
