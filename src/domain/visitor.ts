/** Visitor ids: explicit UUIDs, or one derived from the day's key, the address and the user agent. */
import { createHmac } from "node:crypto"

/**
 * The cookieless id of a visitor for one day: HMAC-SHA-256 (RFC 2104) of address and user agent under the day's key,
 * its first 128 bits as a UUID of version 8 (RFC 9562). Without the key, which is forgotten after the day, it says
 * nothing of either.
 */
export const deriveVisitorId = (dayKey: Buffer, address: string, userAgent: string): string => {
  const hex = createHmac("sha256", dayKey).update(address).update("\n").update(userAgent).digest("hex")
  const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) & 3]
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** 32-bit FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) of an ASCII text, from a given basis. */
const fnv1a = (text: string, basis: number): number => {
  let hash = basis
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** The finaliser of MurmurHash3 (Austin Appleby, public domain): spreads FNV's weak high bits. */
const mix = (hash: number): number => {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** The partition of a visitor: the same for all of its events, whatever the site. Changing this would split visitors. */
export const partitionOf = (visitorId: string, partitions: number): number =>
  mix(fnv1a(visitorId, 0x811c9dc5)) % partitions

/**
 * A visitor's 53-bit fingerprint: what the sets of unique visitors hold, 8 bytes each. Two of 64,000 visitors share
 * one with a probability of 2 in 10 million. Two hashes as {@link fnv1a} makes them, in one pass.
 */
export const fingerprint = (visitorId: string): number => {
  let high = 0x811c9dc5
  let low = 0x9747b28c
  for (let i = 0; i < visitorId.length; i++) {
    const code = visitorId.charCodeAt(i)
    high = Math.imul(high ^ code, 0x01000193)
    low = Math.imul(low ^ code, 0x01000193)
  }
  return mix(high >>> 0) * 0x200000 + (mix(low >>> 0) >>> 11)
}
