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

/** Begins each kind of those that are stored nowhere, for they say what they open, and until when, and are signed. */
const SIGNED_PREFIXES = {
  /** What a visitor of a share link with a password is given for it. */
  unlocked: "mau_",
  /** What the script that shows a heatmap over its page is given. */
  heatmap: "mah_",
} as const

/** What a token that is stored nowhere is for. */
export type SignedKind = keyof typeof SIGNED_PREFIXES

const signature = (key: string | Buffer, text: string): Buffer =>
  createHmac("sha256", key).update(text).digest()

/**
 * A token that says what it is for until then.
 *
 * @param text no character that is not of base64url
 * @param until unix milliseconds
 */
export const signedToken = (kind: SignedKind, key: string | Buffer, text: string, until: number): string => {
  const said = `${text}.${until}`
  return `${SIGNED_PREFIXES[kind]}${said}.${signature(key, said).toString("base64url")}`
}

/** What such a token says at a time, if it is signed under the key that goes with what it says; else `null`. */
export const readSigned = (
  kind: SignedKind,
  token: string,
  keyOf: (text: string, until: number) => string | Buffer | null,
  now: number,
): string | null => {
  if (!token.startsWith(SIGNED_PREFIXES[kind])) return null
  const said = token.slice(SIGNED_PREFIXES[kind].length)
  const [, text, until, signed] = /^([\w-]+)\.(\d{1,15})\.([\w-]{43})$/.exec(said) ?? []
  if (text === undefined || until === undefined || signed === undefined || Number(until) <= now) return null
  const key = keyOf(text, Number(until))
  const given = Buffer.from(signed, "base64url")
  if (key === null || given.length !== 32) return null
  return timingSafeEqual(given, signature(key, `${text}.${until}`)) ? text : null
}

/** The key under which a share link's password opens it; a link with another password has another. */
export const unlockKey = (passwordHash: string): string =>
  createHash("sha256").update("unlock\n").update(passwordHash).digest("base64url")

/** What opens a share link until then, unix milliseconds. */
export const unlockedToken = (id: number, key: string, until: number): string =>
  signedToken("unlocked", key, `${id}`, until)

/** The share link that a token opens at a time, as far as its signature under the link's key says; `null` if it opens none. */
export const unlockedShare = (
  token: string,
  keyOf: (id: number) => string | null,
  now: number,
): number | null => {
  const id = readSigned("unlocked", token, (text) => keyOf(Number(text)), now)
  return id === null ? null : Number(id)
}
