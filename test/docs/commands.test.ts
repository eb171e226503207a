import { expect, test } from "vitest"
import { everyCommand } from "../support/commandLine.ts"
import { codes, read, section, tableRows } from "../support/documents.ts"

test("docs/operations.md lists every command with its flags, and no other", async () => {
  const documented = tableRows(section(read("docs/operations.md"), "Commands")).map(([cell = ""]) => {
    const line = codes(cell)[0]?.replace("npm start -- ", "") ?? ""
    const command = line.split(" ").filter((word) => /^[a-z-]+$/.test(word) && !word.startsWith("--"))
    return [...command, ...(line.match(/--[a-z-]+/g) ?? []).sort()].join(" ")
  })
  const offered = (await everyCommand()).map(({ path, help }) =>
    [...path, ...help.flags.map(({ name }) => `--${name}`).sort()].join(" "),
  )
  expect([...documented].sort()).toEqual([...offered].sort())
})
