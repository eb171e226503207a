/** Visitor ids: explicit UUIDs, or one derived from the day's key, the address and the user agent. */
import { createHmac } from "node:crypto"
import { FNV_BASIS, FNV_PRIME, fnv1a, mix } from "./hash.ts"

/** The cookie that may carry a visitor's UUID. */
export const VISITOR_COOKIE = "maicivy_session"

/**
 * The cookieless id of a visitor for one day: HMAC-SHA-256 (RFC 2104) of address and user agent under the day's key,
 * its first 128 bits as a UUID of version 8 (RFC 9562). Without the key, which is discarded after the day, it reveals
 * neither of them.
 */
export const deriveVisitorId = (dayKey: Buffer, address: string, userAgent: string): string =>
  uuidOf(createHmac("sha256", dayKey).update(address).update("\n").update(userAgent).digest("hex"))

/**
 * What a visitor is called for one day where everybody may look: HMAC-SHA-256 of the id under the day's key, as above. No
 * address begins like what goes before the id, so it is nobody's derived id.
 */
export const pseudonymOf = (dayKey: Buffer, visitorId: string): string =>
  uuidOf(createHmac("sha256", dayKey).update("pseudonym\n").update(visitorId).digest("hex"))

/** The first 128 bits of a digest, in hexadecimal, as a UUID of version 8. */
const uuidOf = (hex: string): string => {
  const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) & 3]
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** The partition of a visitor: the same for all of its events, whatever the site. Changing this would split visitors. */
export const partitionOf = (visitorId: string, partitions: number): number =>
  mix(fnv1a(visitorId)) % partitions

/** A fingerprint's upper bits are the hash that {@link partitionOf} goes by; this many are below them. */
const LOWER = 0x200000

/** The partition of whoever has a fingerprint, as {@link partitionOf} tells it. */
export const partitionOfFingerprint = (print: number, partitions: number): number =>
  Math.floor(print / LOWER) % partitions

/**
 * A visitor's 53-bit fingerprint: what the sets of unique visitors hold, 8 bytes each. Two of 64,000 visitors share
 * one with a probability of 2 in 10 million. Two hashes as {@link fnv1a} makes them, in one pass.
 */
export const fingerprint = (visitorId: string): number => {
  let high = FNV_BASIS
  let low = 0x9747b28c
  for (let i = 0; i < visitorId.length; i++) {
    const code = visitorId.charCodeAt(i)
    high = Math.imul(high ^ code, FNV_PRIME)
    low = Math.imul(low ^ code, FNV_PRIME)
  }
  return mix(high) * LOWER + (mix(low) >>> 11)
}
