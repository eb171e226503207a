/** Tokens that give access: made at random, and stored as digests, from which nobody can make them again. */
import { createHash, createHmac, hash, randomBytes, timingSafeEqual } from "node:crypto"

/** What a token is for. */
export type TokenKind = "session" | "key" | "share" | "setup"

/** Begins each kind, so that a token that is found somewhere is known for what it is. */
const PREFIXES: { readonly [kind in TokenKind]: string } = {
  session: "mas_",
  key: "mak_",
  share: "mav_",
  setup: "maf_",
}

/** A new token of 256 random bits. */
export const newToken = (kind: TokenKind): string => PREFIXES[kind] + randomBytes(32).toString("base64url")

/** What is stored of a token: 64 hexadecimal digits. */
export const digestOf = (token: string): string => hash("sha256", token)

/** Begins what a visitor of a share link with a password is given for it. */
const UNLOCKED = "mau_"

/** The key under which a share link's password opens it; a link with another password has another. */
export const unlockKey = (passwordHash: string): string =>
  createHash("sha256").update("unlock\n").update(passwordHash).digest("base64url")

const signature = (key: string, text: string): Buffer => createHmac("sha256", key).update(text).digest()

/** What opens a share link until then, unix milliseconds. */
export const unlockedToken = (id: number, key: string, until: number): string => {
  const text = `${id}.${until}`
  return `${UNLOCKED}${text}.${signature(key, text).toString("base64url")}`
}

/** The share link that a token opens at a time, as far as its signature under the link's key says; `null` if it opens none. */
export const unlockedShare = (
  token: string,
  keyOf: (id: number) => string | null,
  now: number,
): number | null => {
  const [, id, until, signed] = /^mau_(\d{1,9})\.(\d{1,15})\.([\w-]{43})$/.exec(token) ?? []
  if (id === undefined || until === undefined || signed === undefined || Number(until) <= now) return null
  const key = keyOf(Number(id))
  const given = Buffer.from(signed, "base64url")
  if (key === null || given.length !== 32) return null
  return timingSafeEqual(given, signature(key, `${id}.${until}`)) ? Number(id) : null
}
