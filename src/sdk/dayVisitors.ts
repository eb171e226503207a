/**
 * Visitors without a cookie: an address with a browser is one visitor for a day (UTC). Their ids are a keyed hash, whose
 * key this process makes anew every day and keeps to itself, so that nobody can tell later who they were.
 */
import { sha256 } from "./sha256.ts"
import { uuidOf } from "./uuid.ts"

const DAY_MS = 86_400_000
const KEY_BYTES = 32

export class DayVisitors {
  #day = Number.NaN
  #key = new Uint8Array(KEY_BYTES)

  /** The visitor's id at a time, unix milliseconds. */
  idOf(address: string, userAgent: string, at: number): string {
    const day = Math.floor(at / DAY_MS)
    if (day !== this.#day) this.#key = crypto.getRandomValues(new Uint8Array(KEY_BYTES))
    this.#day = day
    // Half of the hash is told: nobody can go on from that to the hash of a longer text.
    const text = new TextEncoder().encode(`${address}\n${userAgent}`)
    const keyed = new Uint8Array(KEY_BYTES + text.length)
    keyed.set(this.#key)
    keyed.set(text, KEY_BYTES)
    return uuidOf(sha256(keyed), 8)
  }
}
