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
 * The write key to send: the given one, else `WRITE_KEY`, else the one that a server on this machine keeps in its data
 * directory. That file is not read for another machine's server.
 */
export const findWriteKey = (
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
 * The key under which address and agent become a visitor id. It stays in the data directory, so that a visitor is the
 * same in every log that is replayed from here, and nobody else can try all addresses. Where it cannot be kept it is
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
