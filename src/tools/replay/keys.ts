/** The two secrets of a replay: the server's write key, and the key under which visitors are hashed. */
import { randomBytes } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const readText = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8").trim() || null
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
  return LOOPBACK.test(url.hostname) ? readText(join(dataDir, "write-key")) : null
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
  const known = readText(path)
  if (known !== null && /^[0-9a-f]{64}$/.test(known)) return { key: Buffer.from(known, "hex"), kept: true }
  const key = randomBytes(VISITOR_KEY_BYTES)
  if (!create) return { key, kept: false }
  try {
    mkdirSync(dataDir, { recursive: true })
    // `wx`: of two replays that begin together the second takes the key of the first.
    writeFileSync(path, `${key.toString("hex")}\n`, { mode: 0o600, flag: "wx" })
    return { key, kept: true }
  } catch {
    const other = readText(path)
    return other !== null && /^[0-9a-f]{64}$/.test(other)
      ? { key: Buffer.from(other, "hex"), kept: true }
      : { key, kept: false }
  }
}
