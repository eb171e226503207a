/** The files of a backup: gzip of text, a row or an object a line, for their owner's eyes only, read and written piece by piece. */
import { createHash } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import { open } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGunzip, createGzip } from "node:zlib"
import * as Schema from "effect/Schema"
import { isMissing } from "../config/missingFile.ts"
import { FILE_MODE } from "../embedded/index.ts"

/** Half as small again as none at all, at several times the speed of the default. */
const GZIP_LEVEL = 3

/** A file of a backup. */
export const Part = Schema.Struct({
  /** Below the backup's folder. */
  file: Schema.String,
  bytes: Schema.Int,
  /** SHA-256 of the file, hexadecimal. */
  sha256: Schema.String,
  /** Lines of the text in it. */
  lines: Schema.Int,
})
export type Part = typeof Part.Type

const LINE_FEED = 0x0a

const linesIn = (piece: Uint8Array): number => {
  let lines = 0
  for (let at = piece.indexOf(LINE_FEED); at >= 0; at = piece.indexOf(LINE_FEED, at + 1)) lines++
  return lines
}

/** Passes bytes on and tells each piece. */
const watching = (see: (piece: Uint8Array) => void): Transform =>
  new Transform({
    transform(piece: Uint8Array, _encoding, done) {
      see(piece)
      done(null, piece)
    },
  })

/** Writes a part, and waits until it is on disk. Rejects with what the source threw, or the file system. */
export const writePart = async (
  folder: string,
  file: string,
  source: AsyncIterable<Uint8Array>,
): Promise<Part> => {
  const hash = createHash("sha256")
  let [bytes, lines] = [0, 0]
  await pipeline(
    source,
    watching((piece) => {
      lines += linesIn(piece)
    }),
    createGzip({ level: GZIP_LEVEL }),
    watching((piece) => {
      hash.update(piece)
      bytes += piece.length
    }),
    createWriteStream(join(folder, file), { flags: "wx", mode: FILE_MODE, flush: true }),
  )
  return { file, bytes, sha256: hash.digest("hex"), lines }
}

/** The text of a part. */
export async function* readPart(folder: string, { file }: Part): AsyncGenerator<Uint8Array> {
  const from = createReadStream(join(folder, file))
  const text = createGunzip()
  from.once("error", (error) => text.destroy(error))
  try {
    yield* from.pipe(text)
  } finally {
    from.destroy()
  }
}

/** What is wrong with a part's file; `null` when it is as it was written. */
export const problemOf = async (folder: string, part: Part): Promise<string | null> => {
  const hash = createHash("sha256")
  let [bytes, lines] = [0, 0]
  try {
    await pipeline(
      createReadStream(join(folder, part.file)),
      watching((piece) => {
        hash.update(piece)
        bytes += piece.length
      }),
      createGunzip(),
      async (text: AsyncIterable<Uint8Array>) => {
        for await (const piece of text) lines += linesIn(piece)
      },
    )
  } catch (cause) {
    if (isMissing(cause)) return "is missing"
    return `cannot be read (${cause instanceof Error ? cause.message : String(cause)})`
  }
  if (bytes !== part.bytes) return `has ${bytes} bytes instead of ${part.bytes}`
  if (hash.digest("hex") !== part.sha256) return "is not what was written: its SHA-256 differs"
  return lines === part.lines ? null : `has ${lines} lines instead of ${part.lines}`
}

/** Objects as NDJSON. */
export async function* toLines(objects: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const object of objects) yield Buffer.from(`${JSON.stringify(object)}\n`)
}

/** The objects of an NDJSON part, each as `schema` has it. */
export async function* readObjects<S extends Schema.ConstraintDecoder<unknown>>(
  folder: string,
  part: Part,
  schema: S,
): AsyncGenerator<S["Type"]> {
  const decode = Schema.decodeUnknownSync(schema)
  let rest = Buffer.alloc(0)
  for await (const piece of readPart(folder, part)) {
    const text = Buffer.concat([rest, piece])
    let start = 0
    for (let end = text.indexOf(LINE_FEED); end >= 0; end = text.indexOf(LINE_FEED, start)) {
      yield decode(JSON.parse(text.toString("utf8", start, end)))
      start = end + 1
    }
    rest = text.subarray(start)
  }
}

/** Waits until a folder's entries are on disk. */
export const syncFolder = async (folder: string): Promise<void> => {
  // Windows has no such call, and needs none.
  if (process.platform === "win32") return
  for (const path of [folder, dirname(folder)]) {
    const handle = await open(path, "r")
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}
