/**
 * The minutes of addresses, in memory that all threads of a node share, so that an address has one budget whichever of them it meets.
 *
 * A table of sets: an address' window is in one of the {@link WAYS} places of its set, and the one of them that began first makes room
 * for it. One lock guards the table; what it guards takes less than a microsecond.
 */
import { hash, randomBytes } from "node:crypto"
import { isOver, type Taken, type Windows } from "./rateLimit.ts"

/** Windows that a set has places for: with as many addresses as a single thread remembers, one in ten thousand sets is full. */
const WAYS = 16
const SETS = 16_384
const PLACES = SETS * WAYS

/** Bytes that are random for each node, so that nobody can choose addresses that share a place. */
const SALT_BYTES = 16

const LOCK_AT = 0
const SALT_AT = 8
const SINCE_AT = SALT_AT + SALT_BYTES
const NAMES_AT = SINCE_AT + PLACES * Float64Array.BYTES_PER_ELEMENT
const USED_AT = NAMES_AT + 2 * PLACES * Int32Array.BYTES_PER_ELEMENT
const BYTES = USED_AT + PLACES * Int32Array.BYTES_PER_ELEMENT

/** Nobody has the lock. */
const FREE = 0
/** Tries before a thread goes to sleep until the lock is free. */
const TRIES = 100
/** The longest sleep, milliseconds; it ends when the lock is given back. */
const SLEEP_MS = 10

/** Empty memory for {@link SharedWindows}: about 5 MB, of which the system gives what is used. */
export const windowsMemory = (): SharedArrayBuffer => {
  const memory = new SharedArrayBuffer(BYTES)
  new Uint8Array(memory, SALT_AT, SALT_BYTES).set(randomBytes(SALT_BYTES))
  return memory
}

export class SharedWindows implements Windows {
  readonly #lock: Int32Array
  readonly #salt: string
  /** Unix milliseconds; 0 where there has been none. */
  readonly #since: Float64Array
  /** Of addresses: 64 bits of their hash each, in two numbers. */
  readonly #names: Int32Array
  readonly #used: Int32Array
  /** What the lock holds while this thread has it. */
  readonly #owner: number

  /** @param thread number of the thread that takes, from 0, no other's while it runs */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#lock = new Int32Array(memory, LOCK_AT, 1)
    this.#salt = Buffer.from(new Uint8Array(memory, SALT_AT, SALT_BYTES)).toString("hex")
    this.#since = new Float64Array(memory, SINCE_AT, PLACES)
    this.#names = new Int32Array(memory, NAMES_AT, 2 * PLACES)
    this.#used = new Int32Array(memory, USED_AT, PLACES)
    this.#owner = thread + 1
  }

  take(address: string, wanted: number, limit: number, now: number): Taken {
    const digest = hash("sha256", this.#salt + address, "buffer")
    const set = digest.readUInt32LE(8) % SETS
    this.#acquire()
    try {
      return this.#takeFrom(this.#placeOf(digest, set * WAYS, now), wanted, limit)
    } finally {
      this.#release()
    }
  }

  /** The place of an address' window, which has begun by now. */
  #placeOf(digest: Buffer, first: number, now: number): number {
    const [low, high] = [digest.readInt32LE(0), digest.readInt32LE(4)]
    let oldest = first
    for (let place = first; place < first + WAYS; place++) {
      const since = this.#since[place] ?? 0
      if (since !== 0 && this.#names[2 * place] === low && this.#names[2 * place + 1] === high) {
        if (isOver(since, now)) this.#begin(place, low, high, now)
        return place
      }
      if (since < (this.#since[oldest] ?? 0)) oldest = place
    }
    this.#begin(oldest, low, high, now)
    return oldest
  }

  #begin(place: number, low: number, high: number, now: number): void {
    this.#names[2 * place] = low
    this.#names[2 * place + 1] = high
    this.#since[place] = now
    this.#used[place] = 0
  }

  #takeFrom(place: number, wanted: number, limit: number): Taken {
    const before = this.#used[place] ?? 0
    const granted = Math.min(wanted, limit - before)
    this.#used[place] = before + granted
    return { granted, used: before + granted, since: this.#since[place] ?? 0 }
  }

  #acquire(): void {
    for (let tries = 0; ; tries++) {
      const owner = Atomics.compareExchange(this.#lock, 0, FREE, this.#owner)
      if (owner === FREE) return
      if (tries >= TRIES) Atomics.wait(this.#lock, 0, owner, SLEEP_MS)
    }
  }

  #release(): void {
    if (Atomics.compareExchange(this.#lock, 0, this.#owner, FREE) === this.#owner)
      Atomics.notify(this.#lock, 0, 1)
  }

  /** The thread has ended: gives the lock back that it may have had. */
  ended(): void {
    this.#release()
  }
}
