/** Where lines come from: files in the order of their first lines, or standard input. */
import { createWriteStream, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { parseAccessLine } from "./accessLog.ts"
import { readLines } from "./lines.ts"

/** What stands for standard input in place of a file. */
export const STANDARD_INPUT = "-"

/** Standard input as a file, because it is read twice; removed when the process ends. */
export const keptInput = async (): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), "maicivy-replay-"))
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, "input")
  await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 }))
  return path
}

const firstTime = async (path: string): Promise<number> => {
  for await (const lines of readLines(path))
    for (const line of lines) {
      const parsed = parseAccessLine(line)
      if (parsed !== null) return parsed.time
    }
  return Number.POSITIVE_INFINITY
}

/** Files of a log that was rotated, in the order of time, whatever their names. */
export const inOrder = async (paths: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  if (paths.length < 2) return paths
  const timed = await Promise.all(paths.map(async (path) => ({ path, time: await firstTime(path) })))
  return timed.sort((a, b) => (a.time === b.time ? 0 : a.time - b.time)).map(({ path }) => path)
}

/** The lines of all files. `cutOff` is called for each that ends too early. */
export async function* linesOf(
  paths: ReadonlyArray<string>,
  cutOff: (path: string) => void = () => {},
): AsyncGenerator<ReadonlyArray<string>> {
  for (const path of paths) yield* readLines(path, () => cutOff(path))
}
