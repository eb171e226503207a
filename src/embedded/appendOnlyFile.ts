/**
 * Redis' append-only file after a crash. What a kill or a power failure leaves at its end (half a command, half a transaction,
 * zeros, rubbish) was never answered, and is cut off. Damage that readable commands follow is left to a person: cutting there
 * would take acknowledged events along.
 *
 * Redis could cut half a command off by itself (`aof-load-truncated`), but it leaves the beginning of a transaction in the
 * file if its end is missing, and applies that together with the next one at a later start.
 */
import { createReadStream, existsSync, readFileSync } from "node:fs"
import { open } from "node:fs/promises"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import { EmbeddedStoreError } from "./error.ts"
import { FILE_MODE } from "./folder.ts"

/** Ends the name of a file that keeps what was cut off. */
export const CUT_OFF = ".cut"

const FOLDER = "appendonlydir"
const MANIFEST = "appendonly.aof.manifest"

const CHUNK_BYTES = 4 * 1024 * 1024

/** Nothing that is ever written here comes near it; a number beyond it is no length. */
const LONGEST_ARGUMENT = 64 * 1024 * 1024

/** The beginning of a command with at least one argument. */
const COMMAND = /\*\d{1,9}\r\n\$\d{1,9}\r\n/

/** Longer than any beginning of a command. */
const OVERLAP = 64

/**
 * Looks through the append-only file in `directory` and cuts off what a crash has left at its end. Fails when it is damaged
 * elsewhere, with the file and the way out.
 *
 * @param checkSnapshot resolves to what is wrong with a snapshot (the first file of several), if anything
 */
export const mendAppendOnlyFile = (
  directory: string,
  checkSnapshot: (path: string) => Promise<string | undefined>,
): Effect.Effect<void, EmbeddedStoreError> =>
  Effect.gen(function* () {
    const folder = join(directory, FOLDER)
    const files = filesOf(join(folder, MANIFEST)).map(({ name, type }) => ({
      path: join(folder, name),
      type,
    }))
    for (const [index, { path, type }] of files.entries()) {
      if (!existsSync(path)) return yield* damaged(folder, path, "is missing")
      if (type === "b") {
        const reason = yield* Effect.promise(() => checkSnapshot(path))
        if (reason !== undefined) return yield* damaged(folder, path, `cannot be loaded (${reason})`)
        continue
      }
      const found = yield* Effect.promise(() => scan(path))
      if (found.wholeUpTo === found.size) continue
      if (found.commandsFollow || index < files.length - 1)
        return yield* damaged(
          folder,
          path,
          `is damaged at byte ${found.stoppedAt}, with readable commands after it`,
        )
      const kept = yield* Effect.promise(() => cut(path, found, directory))
      yield* Effect.logWarning(
        `Redis: the last ${found.size - found.wholeUpTo} bytes of its append-only file "${path}" were no whole command or transaction: a kill ` +
          `or a power failure came in the middle of a write. They have been cut off, and are kept in "${kept}" for a month.`,
      )
    }
  })

const damaged = (folder: string, path: string, what: string) =>
  Effect.fail(
    new EmbeddedStoreError({
      store: "Redis",
      message:
        `The embedded Redis did not start: its file "${path}" ${what}. Nothing has been changed. To go on without it, move ` +
        `"${folder}" aside and start again: every figure is then rebuilt from PostgreSQL. What that costs, and how to save ` +
        'more: "A damaged append-only file" in docs/troubleshooting.md.',
    }),
  )

interface NamedFile {
  readonly name: string
  /** A snapshot to begin with, or commands since. Files that only wait for their deletion are not listed. */
  readonly type: "b" | "i"
}

/** The files in the order in which Redis loads them; none without a manifest that can be read. */
const filesOf = (manifest: string): ReadonlyArray<NamedFile> => {
  if (!existsSync(manifest)) return []
  return readFileSync(manifest, "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, name, type] = /^file (\S+) seq \d+ type ([bi])$/.exec(line) ?? []
      return name !== undefined && (type === "b" || type === "i") ? [{ name, type }] : []
    })
}

interface Scan {
  readonly size: number
  /** The end of the last command, or of the last transaction, that is complete. */
  readonly wholeUpTo: number
  /** Where the first command begins that is not complete; `size` when there is none. */
  readonly stoppedAt: number
  /** Whether another command begins after that. */
  readonly commandsFollow: boolean
}

/** Reads a file of commands. */
const scan = async (path: string): Promise<Scan> => {
  let [wholeUpTo, stoppedAt, size] = [0, 0, 0]
  let inTransaction = false
  let broken = false
  let commandsFollow = false
  // What has been read but not understood.
  let rest = Buffer.alloc(0)
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    size += chunk.length
    rest = Buffer.concat([rest, chunk])
    if (broken) {
      commandsFollow ||= COMMAND.test(rest.toString("latin1"))
      rest = rest.subarray(-OVERLAP)
      continue
    }
    let at = 0
    for (;;) {
      const command = commandAt(rest, at)
      broken = command === "broken"
      if (typeof command === "string") break
      if (command.name === "MULTI") inTransaction = true
      if (command.name === "EXEC") inTransaction = false
      at = command.end
      if (!inTransaction) wholeUpTo = stoppedAt + at
    }
    stoppedAt += at
    rest = rest.subarray(at)
    if (broken) {
      // Without its own first byte, what is broken looks like no command.
      rest = rest.subarray(1)
      commandsFollow = COMMAND.test(rest.toString("latin1"))
      rest = rest.subarray(-OVERLAP)
    }
  }
  return {
    size,
    wholeUpTo,
    stoppedAt,
    commandsFollow: commandsFollow || (!broken && COMMAND.test(rest.toString("latin1", 1))),
  }
}

/** The command that begins at an offset; "cut" when the data end before it does, "broken" when what is there is none. */
const commandAt = (
  data: Buffer,
  offset: number,
): { readonly name: string; readonly end: number } | "cut" | "broken" => {
  if (data[offset] === 0x23) {
    // A comment with a time.
    const end = data.indexOf("\n", offset)
    return end === -1 ? "cut" : { name: "", end: end + 1 }
  }
  const count = numberAt(data, offset, "*")
  if (typeof count === "string") return count
  let name = ""
  let at = count.end
  for (let argument = 0; argument < count.value; argument++) {
    const length = numberAt(data, at, "$")
    if (typeof length === "string") return length
    const end = length.end + length.value
    if (data.length < end + 2) return "cut"
    if (data.toString("latin1", end, end + 2) !== "\r\n") return "broken"
    if (argument === 0) name = data.toString("latin1", length.end, end).toUpperCase()
    at = end + 2
  }
  return { name, end: at }
}

/** The number of a line like `*3` or `$11`. */
const numberAt = (
  data: Buffer,
  offset: number,
  mark: "*" | "$",
): { readonly value: number; readonly end: number } | "cut" | "broken" => {
  const line = data.toString("latin1", offset, offset + 12)
  const found = /^.(\d{1,9})\r\n/.exec(line)
  if (line !== "" && line[0] !== mark) return "broken"
  if (found !== null && Number(found[1]) <= LONGEST_ARGUMENT)
    return { value: Number(found[1]), end: offset + found[0].length }
  return data.length < offset + 12 && /^(.\d{0,9}\r?)?$/.test(line) ? "cut" : "broken"
}

/** Cuts a file off after its last complete command. Returns the file that keeps what came after. */
const cut = async (path: string, { wholeUpTo, size }: Scan, directory: string): Promise<string> => {
  const time = new Date().toISOString().replaceAll(/[:.]/g, "-")
  const kept = join(directory, `${basename(path)}.${time}${CUT_OFF}`)
  const [from, to] = [await open(path, "r+"), await open(kept, "wx", FILE_MODE)]
  try {
    for (let at = wholeUpTo; at < size; ) {
      const { buffer, bytesRead } = await from.read(Buffer.alloc(Math.min(CHUNK_BYTES, size - at)), {
        position: at,
      })
      await to.write(buffer, 0, bytesRead)
      at += bytesRead
    }
    await to.sync()
    await from.truncate(wholeUpTo)
    await from.sync()
  } finally {
    await Promise.all([from.close(), to.close()])
  }
  return kept
}
