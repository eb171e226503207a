/** Certificates of a CA of one's own, made with openssl. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { runProgram } from "./programs.ts"

export interface Certificate {
  /** Paths of PEM files. */
  readonly cert: string
  readonly key: string
}

const openssl = (...args: ReadonlyArray<string>): void => {
  const { status, stderr } = runProgram("openssl", ...args)
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`)
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

/** A CA that nobody else knows. */
export class CertificateAuthority {
  readonly #folder: string
  /** The path of its own certificate. */
  readonly cert: string
  readonly #key: string

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.#folder = folder
    this.cert = join(folder, "ca.crt")
    this.#key = join(folder, "ca.key")
    openssl(
      "req",
      "-x509",
      ...newKey,
      "-days",
      "2",
      "-subj",
      "/CN=a CA of a test",
      "-keyout",
      this.#key,
      "-out",
      this.cert,
    )
  }

  /** Issues a certificate: to a server for its names (`DNS:localhost,IP:127.0.0.1`), to a client for its common name. */
  issue(commonName: string, names = `DNS:${commonName}`): Certificate {
    const path = (extension: string) => join(this.#folder, `${commonName}.${extension}`)
    openssl("req", ...newKey, "-subj", `/CN=${commonName}`, "-keyout", path("key"), "-out", path("csr"))
    writeFileSync(path("ext"), `subjectAltName=${names}\n`)
    openssl(
      ...["x509", "-req", "-in", path("csr"), "-CA", this.cert, "-CAkey", this.#key, "-CAcreateserial"],
      ...["-days", "2", "-extfile", path("ext"), "-out", path("crt")],
    )
    return { cert: path("crt"), key: path("key") }
  }
}
