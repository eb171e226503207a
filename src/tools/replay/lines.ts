/** Lines of a text file of any size, compressed or not, as one array per chunk, so that a line costs no promise. */
import { createReadStream } from "node:fs"
import { open } from "node:fs/promises"
import { pipeline, type Readable } from "node:stream"
import { createGunzip } from "node:zlib"

/** The longest line that is kept, in UTF-16 code units; longer ones, which no web server writes, are cut. */
const MAX_LINE_LENGTH = 64 * 1024

/** gzip is recognised by its magic number (RFC 1952) and not by the file name: rotated logs can have any name. */
const isGzip = async (path: string): Promise<boolean> => {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0)
    return bytesRead === 2 && buffer.readUInt16BE(0) === 0x1f8b
  } finally {
    await file.close()
  }
}

const openText = async (path: string): Promise<Readable> => {
  const file = createReadStream(path, { highWaterMark: 256 * 1024 })
  if (!(await isGzip(path))) return file
  const gunzip = createGunzip({ chunkSize: 256 * 1024 })
  // The empty callback only keeps a failure from being unhandled: pipeline passes it on to the reader of `gunzip`.
  return pipeline(file, gunzip, () => {})
}

const trimmed = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line)

/**
 * The non-empty lines of a file, without line ends, in arrays. Lines end at `\n` or `\r\n` and nowhere else
 * (`node:readline` would also split at U+2028, which a user agent may contain). Throws the errors of the file system and
 * of gzip.
 */
export async function* readLines(path: string): AsyncGenerator<ReadonlyArray<string>> {
  const stream = await openText(path)
  stream.setEncoding("utf8")
  let rest = ""
  for await (const chunk of stream) {
    const lines = `${rest}${String(chunk)}`.split("\n")
    rest = (lines.pop() ?? "").slice(0, MAX_LINE_LENGTH)
    const full = lines.map(trimmed).filter((line) => line !== "")
    if (full.length > 0) yield full
  }
  if (trimmed(rest) !== "") yield [trimmed(rest)]
}
