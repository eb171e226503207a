/**
 * A table of addresses in memory that all threads of a node share, with a few numbers of each: of sets of {@link WAYS} rows, to one of
 * which an address belongs. One lock guards the table; what it guards takes less than a microsecond.
 */
import { hash, randomBytes } from "node:crypto"

/** Rows of a set: with as many addresses as a single thread remembers, one in ten thousand sets is full. */
export const WAYS = 16
const SETS = 16_384
const ROWS = SETS * WAYS

/** Bytes that are random for each node, so that nobody can choose addresses that share a set. */
const SALT_BYTES = 16

const LOCK_AT = 0
const SUM_AT = 4
const SALT_AT = 8
const SINCE_AT = SALT_AT + SALT_BYTES
const NAMES_AT = SINCE_AT + ROWS * Float64Array.BYTES_PER_ELEMENT
const COUNTS_AT = NAMES_AT + 2 * ROWS * Int32Array.BYTES_PER_ELEMENT
const BYTES = COUNTS_AT + ROWS * Int32Array.BYTES_PER_ELEMENT

/** Nobody has the lock. */
const FREE = 0
/** Tries before a thread goes to sleep until the lock is free. */
const TRIES = 100
/** The longest sleep, milliseconds; it ends when the lock is given back. */
const SLEEP_MS = 10

/** Empty memory for a {@link SharedTable}: about 5 MB, of which the system gives what is used. */
export const tableMemory = (): SharedArrayBuffer => {
  const memory = new SharedArrayBuffer(BYTES)
  new Uint8Array(memory, SALT_AT, SALT_BYTES).set(randomBytes(SALT_BYTES))
  return memory
}

/** An address in the table: the first row of its set, and its name, 64 bits of its hash in two numbers. */
export interface TableKey {
  readonly first: number
  readonly low: number
  readonly high: number
}

export class SharedTable {
  /** Of the table. */
  readonly sum: Int32Array
  /** Of a row: a time, unix milliseconds; 0 where there has been none. */
  readonly since: Float64Array
  /** Of a row. */
  readonly counts: Int32Array
  readonly #names: Int32Array
  readonly #lock: Int32Array
  readonly #salt: string
  /** What the lock holds while this thread has it. */
  readonly #owner: number

  /** @param thread number of the thread that uses it, from 0, no other's while it runs */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.sum = new Int32Array(memory, SUM_AT, 1)
    this.since = new Float64Array(memory, SINCE_AT, ROWS)
    this.counts = new Int32Array(memory, COUNTS_AT, ROWS)
    this.#names = new Int32Array(memory, NAMES_AT, 2 * ROWS)
    this.#lock = new Int32Array(memory, LOCK_AT, 1)
    this.#salt = Buffer.from(new Uint8Array(memory, SALT_AT, SALT_BYTES)).toString("hex")
    this.#owner = thread + 1
  }

  keyOf(address: string): TableKey {
    const digest = hash("sha256", this.#salt + address, "buffer")
    return {
      first: (digest.readUInt32LE(8) % SETS) * WAYS,
      low: digest.readInt32LE(0),
      high: digest.readInt32LE(4),
    }
  }

  /** Runs what no other thread may come between. */
  locked<A>(body: () => A): A {
    this.#acquire()
    try {
      return body()
    } finally {
      this.#release()
    }
  }

  isNamed(row: number, { low, high }: TableKey): boolean {
    return this.#names[2 * row] === low && this.#names[2 * row + 1] === high
  }

  name(row: number, { low, high }: TableKey): void {
    this.#names[2 * row] = low
    this.#names[2 * row + 1] = high
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
