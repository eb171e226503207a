import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { ROOT } from "../support/documents.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { dataOf, send, startProcess } from "../support/process.ts"
import { NODE } from "../support/program.ts"

const FIGURES = ["stats", "letters", "letters?period=week", "stats?period=month"]

/** Writes over the beginning of a command in the middle of a file of commands. */
const damage = (path: string) => {
  const text = readFileSync(path, "latin1")
  const command = text.indexOf("\r\n*", text.length / 2) + 2
  writeFileSync(path, `${text.slice(0, command)}damaged${text.slice(command + 7)}`, "latin1")
}

test("a start refuses an append-only file that is damaged in its middle, and without it every figure is rebuilt", async () => {
  const dataDir = temporaryFolder()
  const env = { DATA_DIR: dataDir, RATE_LIMIT_PER_MINUTE: "0" }
  const start = () => startProcess(NODE, { cwd: ROOT, env })
  const figuresOf = (url: string) => Promise.all(FIGURES.map((path) => dataOf(url, path)))

  const first = await start()
  await send(() => [first.url], 300, 8)
  await eventually(async () =>
    expect(await dataOf(first.url, "stats")).toMatchObject({ total_events: 300, letters_generated: 30 }),
  )
  const figures = await figuresOf(first.url)
  expect(await first.end("SIGTERM")).toBe(0)

  const folder = join(dataDir, "redis/appendonlydir")
  const file = join(folder, readdirSync(folder).find((name) => name.endsWith(".incr.aof")) ?? "")
  damage(file)
  await expect(start()).rejects.toThrow(
    new RegExp(`did not start: its file "${file}" is damaged at byte \\d+, with readable commands after it`),
  )
  renameSync(folder, `${folder}.damaged`)
  const second = await start()
  await eventually(async () => expect(await figuresOf(second.url)).toEqual(figures))
  expect(await second.end("SIGTERM")).toBe(0)
})
