/**
 * The README's table of settings, made from the settings themselves: `node scripts/settingsTable.ts` prints it,
 * `--write` puts it between the README's markers.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { SETTINGS } from "../src/config.ts"

export const BEGIN = "<!-- settings:begin -->"
export const END = "<!-- settings:end -->"

const README = new URL("../README.md", import.meta.url)

/** A pipe would end the cell. */
const cell = (text: string): string => text.replaceAll("|", "\\|")

/** The table in Markdown, one row a setting, without a line end after the last. */
export const settingsTable = (): string =>
  [
    "| setting | type | default | meaning |",
    "|---|---|---|---|",
    ...Object.values(SETTINGS).map(
      (setting) =>
        `| \`${setting.name}\` | ${cell(setting.type)} | ${setting.default === "" ? "not set" : `\`${setting.default}\``} | ${cell(setting.doc)} |`,
    ),
  ].join("\n")

/** What stands between the markers of a text, without the line ends around it; `null` where a marker is missing. */
export const markedTable = (text: string): string | null => {
  const from = text.indexOf(BEGIN)
  const until = text.indexOf(END)
  return from < 0 || until < from ? null : text.slice(from + BEGIN.length, until).trim()
}

const write = (): void => {
  const text = readFileSync(README, "utf8")
  if (markedTable(text) === null) throw new Error(`README.md needs the lines ${BEGIN} and ${END}.`)
  const before = text.slice(0, text.indexOf(BEGIN))
  const after = text.slice(text.indexOf(END))
  writeFileSync(README, `${before}${BEGIN}\n${settingsTable()}\n${after}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--write")) write()
  else console.log(settingsTable())
}
