/** Hashes that spread ids evenly. They are not cryptographic. */

/** Multiplier of 32-bit FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/). */
export const FNV_PRIME = 0x01000193
/** The value that FNV-1a begins with. */
export const FNV_BASIS = 0x811c9dc5

/** 32-bit FNV-1a of an ASCII text, as a signed integer; {@link mix} takes it from there. */
export const fnv1a = (text: string): number => {
  let hash = FNV_BASIS
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME)
  return hash
}

/** The finaliser of MurmurHash3 (Austin Appleby, public domain), which spreads FNV's weak high bits. Returns 32 unsigned bits. */
export const mix = (hash: number): number => {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
