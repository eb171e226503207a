/** Compares secrets that requests carry, in time that reveals nothing about them. */
import { hash, timingSafeEqual } from "node:crypto"

const digest = (secret: string): Buffer => hash("sha256", secret, "buffer")

/** Hexadecimal digits of a short digest: many secrets have the same one. */
const SHORT_DIGITS = 4

/** A set of accepted secrets. Digests have equal lengths, so comparing any two takes the same time. */
export class Secrets {
  readonly #digests: ReadonlyArray<Buffer>
  /** Tells these secrets from others; whoever sees it can rule guesses out by it, but find none. */
  readonly shortDigest: string

  constructor(secrets: ReadonlyArray<string>) {
    this.#digests = secrets.map(digest)
    this.shortDigest = hash("sha256", Buffer.concat(this.#digests), "hex").slice(0, SHORT_DIGITS)
  }

  get any(): boolean {
    return this.#digests.length > 0
  }

  accepts(given: string): boolean {
    const candidate = digest(given)
    let found = false
    for (const each of this.#digests) found = timingSafeEqual(each, candidate) || found
    return found
  }
}

/** The token of an `Authorization: Bearer` header; `null` for any other header. */
export const bearerToken = (authorization: string): string | null =>
  /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? null
