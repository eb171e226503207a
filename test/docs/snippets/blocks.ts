/**
 * The blocks between fences of the documents. A comment on the line above a block says how it differs from the rest, which are
 * run to their end:
 *
 * - `<!-- not run: why -->`: it is checked as far as it can be without running it
 * - `<!-- runs until stopped -->`: it has done its work when it has been heard of, and is stopped then
 */
import { read } from "../../support/documents.ts"

export interface Block {
  readonly document: string
  /** Of the fence, from 1. */
  readonly line: number
  /** What stands behind the fence; empty for a diagram or an output. */
  readonly language: string
  readonly text: string
  /** The nearest heading above. */
  readonly heading: string
  /** Why it is not run; `null` when it is. */
  readonly notRun: string | null
  readonly untilStopped: boolean
}

const NOT_RUN = /^<!-- not run: (.+) -->$/
const UNTIL_STOPPED = "<!-- runs until stopped -->"

/** Every block of a document, in its order. */
export const blocks = (document: string): ReadonlyArray<Block> => {
  const found: Array<Block> = []
  const lines = read(document).split("\n")
  let heading = ""
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ""
    if (/^#+ /.test(line)) heading = line.replace(/^#+ /, "")
    const fence = /^(\s*)```(\S*)/.exec(line)
    if (fence === null) continue
    const [, indent = "", language = ""] = fence
    const length = lines.slice(i + 1).findIndex((each) => each.trim() === "```")
    if (length < 0) throw new Error(`${document}:${i + 1}: the block does not end.`)
    const comment = lines[i - 1]?.trim() ?? ""
    found.push({
      document,
      line: i + 1,
      language,
      text: lines
        .slice(i + 1, i + 1 + length)
        .map((each) => (each.startsWith(indent) ? each.slice(indent.length) : each))
        .join("\n"),
      heading,
      notRun: NOT_RUN.exec(comment)?.[1] ?? null,
      untilStopped: comment === UNTIL_STOPPED,
    })
    i += length + 1
  }
  return found
}

export const nameOf = ({ document, line, language }: Block): string => `${document}:${line} (${language})`
