/** Generated parts of documents: the text between `<!-- name:begin -->` and `<!-- name:end -->`. */
import { readFileSync, writeFileSync } from "node:fs"

const markers = (name: string) => ({ begin: `<!-- ${name}:begin -->`, end: `<!-- ${name}:end -->` })

/** The text between the markers, without the line ends around it. Throws if a marker is missing. */
export const marked = (text: string, name: string): string => {
  const { begin, end } = markers(name)
  const from = text.indexOf(begin)
  const until = text.indexOf(end)
  if (from < 0 || until < from) throw new Error(`The lines ${begin} and ${end} are missing.`)
  return text.slice(from + begin.length, until).trim()
}

/** The text with other content between the markers. */
export const withMarked = (text: string, name: string, content: string): string => {
  const { begin, end } = markers(name)
  marked(text, name)
  const before = text.slice(0, text.indexOf(begin))
  const after = text.slice(text.indexOf(end))
  return `${before}${begin}\n${content}\n${after}`
}

/**
 * Prints a document's generated parts, by the names of their markers; with `--write` on the command line puts them between
 * the markers instead.
 */
export const printOrWrite = (document: URL, parts: { readonly [name: string]: string }): void => {
  if (!process.argv.includes("--write")) console.log(Object.values(parts).join("\n\n"))
  else {
    const text = readFileSync(document, "utf8")
    const written = Object.entries(parts).reduce((rest, [name, part]) => withMarked(rest, name, part), text)
    writeFileSync(document, written)
  }
}

/** A Markdown table, without a line end after the last row. */
export const markdownTable = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
): string => {
  // An unescaped pipe would end the cell.
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n")
}
