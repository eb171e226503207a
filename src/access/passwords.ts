/**
 * Passwords, hashed by scrypt (RFC 7914) with a salt of their own: 16 MB and some 50 ms each, so that guessing from a stolen table is
 * dear. A few at a time: more would take the memory and the threads that other work needs.
 */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

const COST = { N: 16_384, r: 8, p: 5 } as const
const KEY_BYTES = 32
const SALT_BYTES = 16
/** Hashes that are computed at the same time. */
const AT_ONCE = 2

const places = Semaphore.makeUnsafe(AT_ONCE)

const derive = (password: string, salt: Buffer, cost: ScryptOptions): Effect.Effect<Buffer> =>
  places.withPermits(1)(
    Effect.promise(
      () =>
        new Promise<Buffer>((resolve, reject) => {
          // One spelling of what looks the same, however a keyboard sends it.
          scrypt(password.normalize("NFKC"), salt, KEY_BYTES, cost, (failure, key) =>
            failure === null ? resolve(key) : reject(failure),
          )
        }),
    ),
  )

/** What is stored of a password: `scrypt$N$r$p$salt$key`. */
export const hashPassword = (password: string): Effect.Effect<string> => {
  const salt = randomBytes(SALT_BYTES)
  return Effect.map(
    derive(password, salt, COST),
    (key) =>
      `scrypt$${COST.N}$${COST.r}$${COST.p}$${salt.toString("base64url")}$${key.toString("base64url")}`,
  )
}

/** Stands for the hash of a user that there is not, so that an answer takes as long. */
const NOBODYS = `scrypt$${COST.N}$${COST.r}$${COST.p}$${Buffer.alloc(SALT_BYTES).toString("base64url")}$${Buffer.alloc(KEY_BYTES).toString("base64url")}`

/** Whether a password is the one of a hash; takes its time also where there is no hash, and is `false` then. */
export const isPassword = (password: string, stored: string | null): Effect.Effect<boolean> => {
  const [, N, r, p, salt = "", key = ""] = (stored ?? NOBODYS).split("$")
  const wanted = Buffer.from(key, "base64url")
  const cost = { N: Number(N), r: Number(r), p: Number(p) }
  return Effect.map(
    derive(password, Buffer.from(salt, "base64url"), cost),
    (derived) => wanted.length === derived.length && timingSafeEqual(wanted, derived) && stored !== null,
  )
}
