/** The files of TLS' certificates. */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { type ConnectionOptions, createSecureContext, type SecureContext } from "node:tls"

/** Paths of PEM files; `null` where none is set. */
export interface CertificateFiles {
  /** Authorities that are trusted, in place of the well-known ones. */
  readonly ca: string | null
  /** What this client shows of itself, and its private key: both or neither. */
  readonly cert: string | null
  readonly key: string | null
}

export const NO_CERTIFICATES: CertificateFiles = { ca: null, cert: null, key: null }

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** What is wrong with a file, as a sentence that names the setting; `null` for nothing. */
const problemOf = (setting: string, path: string | null, parse: (pem: Buffer) => unknown): string | null => {
  if (path === null) return null
  try {
    parse(readFileSync(path))
    return null
  } catch (cause) {
    return `${setting} ${path} cannot be used: it should be a PEM file (${reasonOf(cause)}).`
  }
}

/**
 * What is wrong with the files for a store, as a sentence; `null` for nothing. Their settings begin with `prefix`, as in
 * `REDIS_CA_FILE`.
 */
export const certificateProblem = (prefix: string, files: CertificateFiles): string | null => {
  const { ca, cert, key } = files
  const [certFile, keyFile] = [`${prefix}_CERT_FILE`, `${prefix}_KEY_FILE`]
  if ((cert === null) !== (key === null))
    return `${certFile} and ${keyFile} belong together: set both, or neither.`
  const certificate = (pem: Buffer) => new X509Certificate(pem)
  const problem =
    problemOf(`${prefix}_CA_FILE`, ca, certificate) ??
    problemOf(certFile, cert, certificate) ??
    problemOf(keyFile, key, createPrivateKey)
  if (problem !== null) return problem
  try {
    contextOf(files)
    return null
  } catch (cause) {
    return `${certFile} and ${keyFile} do not fit together (${reasonOf(cause)}).`
  }
}

const contextOf = ({ ca, cert, key }: CertificateFiles): SecureContext =>
  createSecureContext({
    ...(ca !== null && { ca: readFileSync(ca) }),
    ...(cert !== null && { cert: readFileSync(cert) }),
    ...(key !== null && { key: readFileSync(key) }),
  })

/**
 * TLS' options. The files are read for every connection that is made, for certificates are renewed while nodes run; while they cannot
 * be read, or do not belong together, what they last were is used. Throws where that was never so.
 */
export const tlsOptions = (files: CertificateFiles): ConnectionOptions => {
  let last = contextOf(files)
  return {
    get secureContext() {
      try {
        last = contextOf(files)
      } catch {
        // A renewal is under way: the next connection will find it done.
      }
      return last
    },
  }
}
