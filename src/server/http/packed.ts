/** Bodies that came packed (`Content-Encoding`): unpacked in one go, to as much as an unpacked body may have and no more. */
import zlib from "node:zlib"
import { Problem } from "./problem.ts"

interface Unpacking {
  readonly maxOutputLength: number
}

/** The window that a zstd decoder has to have (RFC 8878, 3.1.1.1.2); a frame may ask for 16 times as much, from a few bytes. */
const ZSTD_WINDOW_LOG = 23

type Unpack = (body: Uint8Array, options: Unpacking) => Buffer

const gunzip: Unpack = (body, options) => zlib.gunzipSync(body, options)

const UNPACKS = new Map<string, Unpack>([
  ["gzip", gunzip],
  ["x-gzip", gunzip],
  ["deflate", (body, options) => zlib.inflateSync(body, options)],
  ["br", (body, options) => zlib.brotliDecompressSync(body, options)],
])

// Node has it since 22.15.
if (typeof zlib.zstdDecompressSync === "function")
  UNPACKS.set("zstd", (body, options) =>
    zlib.zstdDecompressSync(body, {
      ...options,
      params: { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
    }),
  )

/** The encodings that are taken, as `Accept-Encoding` lists them. */
export const ENCODINGS: string = [...UNPACKS.keys()].filter((name) => name !== "x-gzip").join(", ")

const UNSUPPORTED = new Problem(
  "UNSUPPORTED_MEDIA_TYPE",
  `The Content-Encoding is not supported: send the body as it is, or as one of ${ENCODINGS}.`,
  `Accept-Encoding: ${ENCODINGS}\r\n`,
)

const nameOf = (encoding: string): string => encoding.trim().toLowerCase()

/** Why a body of this encoding is not even read; `null` if it is. */
export const encodingProblem = (encoding: string): Problem | null => {
  const name = nameOf(encoding)
  return name === "" || name === "identity" || UNPACKS.has(name) ? null : UNSUPPORTED
}

/** A body as it was before it was packed, of at most `cap` bytes. */
export const unpacked = (
  body: ArrayBuffer | Buffer,
  encoding: string,
  cap: number,
): ArrayBuffer | Buffer | Problem => {
  const unpack = UNPACKS.get(nameOf(encoding))
  if (unpack === undefined) return body
  try {
    return unpack(new Uint8Array(body), { maxOutputLength: cap })
  } catch (cause) {
    if (cause instanceof RangeError)
      return new Problem("BODY_TOO_LARGE", `The body must be at most ${cap} bytes, unpacked.`)
    return new Problem("INVALID_BODY", `The body is not what its Content-Encoding says: ${nameOf(encoding)}.`)
  }
}
