/** What DATABASE_URL says of TLS. */
import { readFileSync } from "node:fs"
import type { ConnectionOptions } from "node:tls"
import { Expected } from "./values.ts"

export interface PostgresTls {
  /** `undefined` where the URL does not say; PGSSLMODE may. */
  readonly ssl: ConnectionOptions | boolean | undefined
  /** Whether TLS begins at once, without asking the server for it. */
  readonly direct: boolean
}

const MODES = ["disable", "no-verify", "allow", "prefer", "require", "verify-ca", "verify-full"]

/** Of a TLS connection, by the parameter that names it. */
const FILES = { sslrootcert: "ca", sslcert: "cert", sslkey: "key" } as const

export const TLS_PARAMETERS: ReadonlyArray<string> = [
  ...["ssl", "sslmode", "sslnegotiation", "sslpassword", "uselibpqcompat"],
  ...Object.keys(FILES),
]

/** Reads the files. `sslrootcert=system` is the CAs that Node.js knows, as is none. */
const readFiles = (parameters: ReadonlyMap<string, string>): ConnectionOptions | Expected => {
  const options: ConnectionOptions = {}
  for (const [parameter, option] of Object.entries(FILES)) {
    const path = parameters.get(parameter) ?? ""
    if (path === "" || (parameter === "sslrootcert" && path === "system")) continue
    try {
      options[option] = readFileSync(path, "utf8")
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : error
      return new Expected(`a URL whose ${parameter} names a file that can be read (${path}: ${code})`)
    }
  }
  return options
}

/** How the server proves who it is: by a certificate for its name, by one of a CA of one's own for any name, or not at all. */
type Proof = "name" | "certificate" | "nothing"

/**
 * `require`, `prefer` and `allow`, which are weaker in libpq, ask for TLS and a name as `verify-full` does: the driver has them so.
 * With `uselibpqcompat=true` they mean what they mean there. `verify-ca` does without a name where the CA is one's own.
 */
const proofOf = (parameters: ReadonlyMap<string, string>, hasOwnCa: boolean): Proof => {
  const mode = parameters.get("sslmode")
  const isLibpq = parameters.get("uselibpqcompat") === "true"
  if (mode === "no-verify" || (isLibpq && mode === "prefer")) return "nothing"
  if (isLibpq && mode === "require") return hasOwnCa ? "certificate" : "nothing"
  return mode === "verify-ca" && hasOwnCa ? "certificate" : "name"
}

/** Reads what the parameters of a URL say of TLS, and the files that they name. */
export const postgresTls = (parameters: ReadonlyMap<string, string>): PostgresTls | Expected => {
  const files = readFiles(parameters)
  if (files instanceof Expected) return files
  const mode = parameters.get("sslmode")
  const asked = parameters.get("ssl") ?? ""
  const direct = parameters.get("sslnegotiation") === "direct"
  const isSilent = mode === undefined && Object.keys(files).length === 0
  if (mode !== undefined && !MODES.includes(mode))
    return new Expected(`a URL whose sslmode is one of ${MODES.join(", ")}`)
  if (mode === "disable" || (isSilent && ["0", "false"].includes(asked))) return { ssl: false, direct: false }
  if (isSilent && asked === "no-verify") return { ssl: { rejectUnauthorized: false }, direct }
  if (isSilent) return { ssl: asked !== "" || direct ? true : undefined, direct }
  const proof = proofOf(parameters, files.ca !== undefined)
  const passphrase = parameters.get("sslpassword")
  const ssl: ConnectionOptions = {
    ...files,
    ...(passphrase !== undefined && { passphrase }),
    ...(proof === "certificate" && { checkServerIdentity: () => undefined }),
    ...(proof === "nothing" && { rejectUnauthorized: false }),
  }
  return { ssl, direct }
}
