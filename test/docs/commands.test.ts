import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { codes, ROOT, read, section, tableRows } from "../support/documents.ts"

const run = promisify(execFile)

/** Flags of every command, beside those of all. */
const GLOBAL = new Set(["--help", "--version", "--wizard", "--completions", "--log-level"])

const help = async (...command: ReadonlyArray<string>): Promise<string> => {
  const { stdout } = await run(process.execPath, ["src/main.ts", ...command, "--help"], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: "1" },
  })
  return stdout
}

/** Names in a section of a help text, one a line. */
const listed = (text: string, heading: string): ReadonlyArray<string> => {
  const [, after = ""] = text.split(`\n${heading}\n`)
  return [...(after.split("\n\n")[0] ?? "").matchAll(/^ {2}(\S+)/gm)].map((match) => match[1] ?? "")
}

/** Every command that can be run, with its own flags: `retention --cursor --days --dry-run`. */
const offered = async (...command: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const text = await help(...command)
  const commands = listed(text, "SUBCOMMANDS")
  const below = await Promise.all(commands.map((each) => offered(...command, each)))
  const flags = [...new Set(text.match(/--[a-z-]+/g) ?? [])].filter((flag) => !GLOBAL.has(flag))
  // One with commands of its own, and no flag, is only their name.
  const itself = commands.length > 0 && flags.length === 0 ? [] : [[...command, ...flags.sort()].join(" ")]
  return [...itself, ...below.flat()]
}

test("docs/operations.md lists every command with its flags, and no other", async () => {
  const documented = tableRows(section(read("docs/operations.md"), "Commands")).map(([cell = ""]) => {
    const line = codes(cell)[0]?.replace("npm start -- ", "") ?? ""
    const command = line.split(" ").filter((word) => /^[a-z-]+$/.test(word) && !word.startsWith("--"))
    return [...command, ...(line.match(/--[a-z-]+/g) ?? []).sort()].join(" ")
  })
  expect([...documented].sort()).toEqual([...(await offered())].sort())
})
