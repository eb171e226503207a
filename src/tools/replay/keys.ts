/** The two secrets of a replay: the server's write key, and the key under which visitors are hashed. */
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { secretIn, storedSecret } from "../../config/secretFile.ts"
import { localWriteKeyPath } from "../../node/dataFolder.ts"

/** What cannot be read is as good as missing: a replay goes on without it. */
const orNull = <A>(read: () => A): A | null => {
  try {
    return read()
  } catch {
    return null
  }
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/**
 * The key to send: the given one, or the environment's, or the one that a server on this machine keeps in its data directory
 * for tools, which lifts the rate limit and shows visitors. That file is not read for a server on another machine.
 */
export const findKey = (
  given: string | undefined,
  environment: string | undefined,
  url: URL,
  dataDir: string,
): string | null => {
  if (given !== undefined) return given
  if (environment !== undefined && environment !== "") return environment
  return LOOPBACK.test(url.hostname) ? orNull(() => storedSecret(localWriteKeyPath(dataDir))) || null : null
}

const VISITOR_KEY_BYTES = 32

/**
 * The key under which address and user agent become a visitor id. It is kept in the data directory, so that a visitor is
 * the same in every log replayed from here, and nobody else can try out all addresses. If it cannot be kept, it is
 * forgotten after the run (`kept` is false).
 */
export const visitorKey = (
  dataDir: string,
  create: boolean,
): { readonly key: Buffer; readonly kept: boolean } => {
  const path = join(dataDir, "replay-key")
  const made = () => randomBytes(VISITOR_KEY_BYTES).toString("hex")
  const stored = orNull(() => (create ? secretIn(path, made) : storedSecret(path)))
  const kept = stored !== null && /^[0-9a-f]{64}$/.test(stored)
  return { key: kept ? Buffer.from(stored, "hex") : randomBytes(VISITOR_KEY_BYTES), kept }
}
