/**
 * The README's table of settings, generated from the settings: `node scripts/settingsTable.ts` prints it, `--write` puts
 * it between the README's markers.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { SETTINGS } from "../src/config/settings.ts"
import { markdownTable, withMarked } from "./marked.ts"

const README = new URL("../README.md", import.meta.url)

/** The table in Markdown, one row per setting. */
export const settingsTable = (): string =>
  markdownTable(
    ["setting", "type", "default", "meaning"],
    Object.values(SETTINGS).map((setting) => [
      `\`${setting.name}\``,
      setting.type,
      setting.default === "" ? "not set" : `\`${setting.default}\``,
      setting.doc,
    ]),
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--write"))
    writeFileSync(README, withMarked(readFileSync(README, "utf8"), "settings", settingsTable()))
  else console.log(settingsTable())
}
