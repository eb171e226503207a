/** Parts of documents that are made from the code: what stands between `<!-- name:begin -->` and `<!-- name:end -->`. */

const markers = (name: string) => ({ begin: `<!-- ${name}:begin -->`, end: `<!-- ${name}:end -->` })

/** What stands between the markers of a text, without the line ends around it. Throws where a marker is missing. */
export const marked = (text: string, name: string): string => {
  const { begin, end } = markers(name)
  const from = text.indexOf(begin)
  const until = text.indexOf(end)
  if (from < 0 || until < from) throw new Error(`The lines ${begin} and ${end} are missing.`)
  return text.slice(from + begin.length, until).trim()
}

/** The text with something else between the markers. */
export const withMarked = (text: string, name: string, content: string): string => {
  const { begin, end } = markers(name)
  marked(text, name)
  const before = text.slice(0, text.indexOf(begin))
  const after = text.slice(text.indexOf(end))
  return `${before}${begin}\n${content}\n${after}`
}

/** A table in Markdown, without a line end after the last row. */
export const markdownTable = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
): string => {
  // A pipe would end the cell.
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n")
}
