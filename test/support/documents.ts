/** The project's files as text, and the sections, tables and links of its documents. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"

export const ROOT = fileURLToPath(new URL("../..", import.meta.url))

/** Text of a file of the project; a missing one is named. */
export const read = (path: string): string => {
  const file = join(ROOT, path)
  if (!existsSync(file)) throw new Error(`${path} is missing.`)
  return readFileSync(file, "utf8")
}

/** Files below a folder of the project, by their ending. */
export const filesIn = (folder: string, ending: string): ReadonlyArray<string> =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ending))
    .map((path) => `${folder}/${path}`)
    .sort()

/** Every document: those at the top, and docs. */
export const documents = (): ReadonlyArray<string> => [
  ...["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"],
  ...filesIn("docs", ".md"),
]

/** What stands below a heading, down to the next one of its level or above. */
export const section = (text: string, heading: string): string => {
  const lines = text.split("\n")
  const from = lines.findIndex((line) => line.replace(/^#+ /, "") === heading && line.startsWith("#"))
  if (from < 0) throw new Error(`There is no heading "${heading}".`)
  const level = /^#+/.exec(lines[from] ?? "")?.[0].length ?? 1
  const length = lines.slice(from + 1).findIndex((line) => new RegExp(`^#{1,${level}} `).test(line))
  return lines.slice(from + 1, length < 0 ? undefined : from + 1 + length).join("\n")
}

/** Rows of the Markdown tables in a text, cell by cell, without their heads. */
export const tableRows = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const rows: Array<ReadonlyArray<string>> = []
  let inBody = false
  for (const line of text.split("\n")) {
    if (!line.startsWith("|")) inBody = false
    else if (/^\|[-:| ]+\|$/.test(line)) inBody = true
    else if (inBody)
      rows.push(
        line
          .slice(1, -1)
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim()),
      )
  }
  return rows
}

const withoutFences = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, "")

/** The texts in backticks, but not the blocks between fences. */
export const codes = (text: string): ReadonlyArray<string> =>
  [...withoutFences(text).matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "")

/** Anchors of a document's headings, as GitHub makes them. */
const anchors = (text: string): ReadonlySet<string> =>
  new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
      (match[1] ?? "")
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  )

const withoutCode = (text: string): string => withoutFences(text).replace(/`[^`]*`/g, "")

/** Relative links of a document that lead nowhere, each with the reason. */
export const brokenLinks = (document: string): ReadonlyArray<string> => {
  const text = read(document)
  const broken: Array<string> = []
  for (const [, target = ""] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue
    const [path = "", anchor] = target.split("#")
    const file = path === "" ? join(ROOT, document) : resolve(ROOT, dirname(document), path)
    if (relative(ROOT, file).startsWith("..") || !existsSync(file)) broken.push(`${target}: no such file`)
    else if (anchor !== undefined && !anchors(readFileSync(file, "utf8")).has(anchor))
      broken.push(`${target}: no such heading`)
  }
  return broken
}

const MAX_COLUMNS = 120

/** Whether a line could be broken: outside of code, where the words of one span stay together, it has a space. */
const breakable = (line: string): boolean =>
  /\S\s/.test(line.replace(/`[^`]*`/g, "`").replace(/^\s*([-*]|\d+\.)\s/, ""))

/**
 * Lines of prose that are wider than documents are, as `12: the line`. Tables, HTML, code blocks and what stands between
 * the markers of a generated part are not prose.
 */
export const longProse = (text: string): ReadonlyArray<string> => {
  const long: Array<string> = []
  let fenced = false
  let generated = false
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*```/.test(line)) fenced = !fenced
    else if (/^<!-- [\w-]+:begin -->/.test(line)) generated = true
    else if (/^<!-- [\w-]+:end -->/.test(line)) generated = false
    const prose = !fenced && !generated && !/^\s*[|<]/.test(line)
    if (prose && [...line].length > MAX_COLUMNS && breakable(line)) long.push(`${index + 1}: ${line}`)
  }
  return long
}
