/** Lines of a text file of any size, compressed or not, as one array per chunk, so that a line costs no promise. */
import { createReadStream } from "node:fs"
import { open } from "node:fs/promises"
import { pipeline, type Readable } from "node:stream"
import zlib from "node:zlib"

/** The longest line that is kept, in UTF-16 code units; longer ones, which no web server writes, are cut. */
const MAX_LINE_LENGTH = 64 * 1024
const CHUNK_BYTES = 256 * 1024

/** A file that cannot be read, in a sentence that says what it is and how it can be. */
export class UnreadableFile extends Error {}

const starts = (head: Buffer, hex: string): boolean =>
  head.subarray(0, hex.length / 2).toString("hex") === hex

/** Kinds of files that are told by how they begin, because rotated logs can have any name. */
const UNREADABLE: ReadonlyArray<readonly [string, string]> = [
  ["425a68", "compressed with bzip2: bzcat FILE | npm run replay -- -"],
  ["fd377a585a00", "compressed with xz: xzcat FILE | npm run replay -- -"],
  ["504b0304", "a zip archive: unzip -p FILE | npm run replay -- -"],
  ["feff", "in UTF-16: iconv -f UTF-16 -t UTF-8 FILE | npm run replay -- -"],
  ["fffe", "in UTF-16: iconv -f UTF-16 -t UTF-8 FILE | npm run replay -- -"],
]

const headOf = async (path: string): Promise<Buffer> => {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(6), 0, 6, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

const openText = async (path: string): Promise<Readable> => {
  const head = await headOf(path)
  const kind = UNREADABLE.find(([begin]) => starts(head, begin))?.[1]
  if (kind !== undefined) throw new UnreadableFile(`${path} is ${kind.replace("FILE", path)}.`)
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES })
  // The empty callbacks only keep a failure from being unhandled: pipeline passes it on to the reader.
  if (starts(head, "1f8b")) return pipeline(file, zlib.createGunzip({ chunkSize: CHUNK_BYTES }), () => {})
  if (!starts(head, "28b52ffd")) return file
  if (typeof zlib.createZstdDecompress === "function")
    return pipeline(file, zlib.createZstdDecompress({ chunkSize: CHUNK_BYTES }), () => {})
  throw new UnreadableFile(`${path} is compressed with zstd: zstdcat ${path} | npm run replay -- -.`)
}

/** Cuts a text that comes in parts into its lines, which end at `\n`, `\r\n` or `\r`. Empty ones are left out. */
export class LineCutter {
  #rest = ""
  #begun = false

  /** The lines that a part completes. */
  next(part: string): ReadonlyArray<string> {
    const text = this.#begun ? part : part.replace(/^\ufeff/, "")
    this.#begun ||= part !== ""
    // `node:readline` would also split at U+2028, which a user agent may contain.
    const lines = `${this.#rest}${text}`.split(/[\r\n]+/)
    this.#rest = (lines.pop() ?? "").slice(0, MAX_LINE_LENGTH)
    return lines.filter((line) => line !== "")
  }

  /** What is left at the end. */
  end(): ReadonlyArray<string> {
    const rest = this.#rest
    this.#rest = ""
    return rest === "" ? [] : [rest]
  }
}

/** How decompression ends that has met no end. */
const isCutOff = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && cause.code === "Z_BUF_ERROR"

/**
 * The non-empty lines of a file, without line ends, in arrays. Throws the errors of the file system and of decompression; of an
 * archive that is cut off, as while it is being rotated, all lines that are there come, and then `cutOff` is called.
 */
export async function* readLines(
  path: string,
  cutOff: () => void = () => {},
): AsyncGenerator<ReadonlyArray<string>> {
  const stream = await openText(path)
  stream.setEncoding("utf8")
  const cutter = new LineCutter()
  let whole = true
  try {
    for await (const chunk of stream) {
      const lines = cutter.next(String(chunk))
      if (lines.length > 0) yield lines
    }
  } catch (cause) {
    if (!isCutOff(cause)) throw cause
    whole = false
    cutOff()
  }
  // The last line of what is cut off is a part of one.
  if (whole) yield cutter.end()
}
