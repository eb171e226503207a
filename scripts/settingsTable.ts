/**
 * The README's table of settings, generated from the settings: `node scripts/settingsTable.ts` prints it, `--write` puts
 * it between the README's markers.
 */
import { SETTINGS } from "../src/config/settings.ts"
import { markdownTable, printOrWrite } from "./marked.ts"

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

if (import.meta.main) printOrWrite(README, { settings: settingsTable() })
