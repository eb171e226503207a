/** Secrets that a program generates for itself and keeps in a file. */
import { randomBytes } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { isMissing } from "./missingFile.ts"

/** The secret in a file; `null` when there is no such file. Throws when it cannot be read. */
export const storedSecret = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8").trim()
  } catch (cause) {
    if (isMissing(cause)) return null
    throw cause
  }
}

const newSecret = (): string => randomBytes(24).toString("base64url")

/**
 * The secret in a file, readable by its owner only. Generates it, and creates the folder, for its owner only as well, when
 * there is none yet. Throws when the file can be neither read nor written.
 */
export const secretIn = (path: string, generate: () => string = newSecret): string => {
  const known = storedSecret(path)
  if (known !== null) return known
  const secret = generate()
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    // On disk before anything is locked with it.
    writeFileSync(path, `${secret}\n`, { mode: 0o600, flag: "wx", flush: true })
    return secret
  } catch (cause) {
    // Of two processes that start together, the second takes the secret of the first.
    const other = storedSecret(path)
    if (other === null) throw cause
    return other
  }
}
