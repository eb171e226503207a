/**
 * Visitors without a cookie: an address with a browser is one visitor for a day (UTC). Their ids are a keyed hash, whose
 * key this process makes anew every day and keeps to itself, so that nobody can tell later who they were.
 */
import { randomUuid, uuidOf } from "./uuid.ts"

const DAY_MS = 86_400_000

/** Node's module, not imported by name, because browsers have none; `undefined` before Node 20.16. */
const nodeCrypto = () => globalThis.process?.getBuiltinModule?.("node:crypto")

export class DayVisitors {
  #day = Number.NaN
  #key = new Uint8Array(32)

  /** The visitor's id at a time, unix milliseconds. Without Node's hash every call is another visitor. */
  idOf(address: string, userAgent: string, at: number): string {
    const node = nodeCrypto()
    if (node === undefined) return randomUuid()
    const day = Math.floor(at / DAY_MS)
    if (day !== this.#day) this.#key = crypto.getRandomValues(new Uint8Array(32))
    this.#day = day
    return uuidOf(node.createHmac("sha256", this.#key).update(`${address}\n${userAgent}`).digest(), 8)
  }
}
