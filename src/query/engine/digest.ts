/** Digests, by which files are known that are as they were made. */
import { createHash, type Hash } from "node:crypto"
import { closeSync, openSync, readSync } from "node:fs"

/** The pattern of a digest in a name. */
export const HEX = "([0-9a-f]{24})"

/** The beginning of a hash, as names have it. */
export const shortHash = (hash: Hash): string => hash.digest("hex").slice(0, 24)

/** Read at a time, bytes. */
const BLOCK = 1024 * 1024

/** The digest of a file; throws when it cannot be read. */
export const digestOf = (path: string): string => {
  const hash = createHash("sha256")
  const block = Buffer.allocUnsafe(BLOCK)
  const file = openSync(path, "r")
  try {
    for (let read = readSync(file, block); read > 0; read = readSync(file, block))
      hash.update(block.subarray(0, read))
  } finally {
    closeSync(file)
  }
  return shortHash(hash)
}
