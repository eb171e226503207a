/** Every block of every document is run as its reader would run it, against a node of the document's own. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { documents, filesIn, ROOT } from "../support/documents.ts"
import { type Block, blocks, nameOf } from "./snippets/blocks.ts"
import { LANGUAGES } from "./snippets/languages.ts"
import { reader } from "./snippets/reader.ts"

/** Documents beside their code count, too. */
const beside = ["bench", "infra", "src/sdk"].flatMap((folder) =>
  existsSync(join(ROOT, folder)) ? filesIn(folder, ".md") : [],
)
const all = [...documents(), ...beside].map((document) => ({ document, blocks: blocks(document) }))
const everyBlock = all.flatMap((each) => each.blocks)

/** Blocks that may stay unrun, of all documents together. A new one has to be worth raising this. */
const MOST_NOT_RUN = 15

describe("blocks of documents", () => {
  test("are in languages that something runs", () => {
    expect(everyBlock.filter(({ language }) => !(language in LANGUAGES)).map(nameOf)).toEqual([])
  })

  test("that are not run are few, and say why", () => {
    const notRun = everyBlock.filter((block) => block.notRun !== null)
    expect(notRun.filter(({ notRun }) => (notRun ?? "").split(" ").length < 4).map(nameOf)).toEqual([])
    expect(notRun.length, notRun.map(nameOf).join("\n")).toBeLessThanOrEqual(MOST_NOT_RUN)
  })

  test("have the form of their language", async () => {
    const problems: Array<string> = []
    for (const block of everyBlock)
      for (const problem of (await LANGUAGES[block.language]?.form(block)) ?? [])
        problems.push(`${nameOf(block)}: ${problem}`)
    expect(problems).toEqual([])
  })
})

describe("a reader who follows", () => {
  const runnable = (block: Block) => block.notRun === null && LANGUAGES[block.language]?.run !== undefined
  test.for(all.filter(({ blocks }) => blocks.some(runnable)))(
    "$document meets no error",
    async ({ blocks }, { task }) => {
      const follower = await reader(blocks.map(({ text }) => text).join("\n"))
      const problems: Array<string> = []
      const lacked: Array<string> = []
      for (const block of blocks.filter(runnable)) {
        const result = (await LANGUAGES[block.language]?.run?.(block, follower)) ?? []
        if ("lacking" in result) lacked.push(`${result.lacking}, for ${nameOf(block)}`)
        else problems.push(...result.map((problem) => `${nameOf(block)}: ${problem}`))
      }
      task.meta.lacked = lacked
      expect(problems).toEqual([])
    },
  )
})

describe("a block that is broken is found:", () => {
  const block = (language: string, text: string, more: Partial<Block> = {}): Block => ({
    ...{ document: "docs/x.md", line: 1, heading: "", notRun: null, untilStopped: false },
    ...{ language, text },
    ...more,
  })

  test.each([
    block("sh", "if true"),
    block("js", "const = 1"),
    block("ts", "const x: = 1"),
    block("tsx", "<p>"),
    block("json", "{"),
    block("json", '{"success":true,"data":{"total_events":1}}', { heading: "`GET /stats`" }),
    block("json", '{"type":"pong"}', { document: "docs/websocket.md" }),
    block("promql", "rate(maicivy_events_total[5m]"),
    block("promql", "maicivy_no_such_metric"),
    block("yaml", "a: b: c"),
  ])("$language $text, by its form", async (broken) => {
    expect(await LANGUAGES[broken.language]?.form(broken)).not.toEqual([])
  })

  test("when it is run", async () => {
    const follower = await reader("")
    const broken = [
      block("sh", "curl -s http://127.0.0.1:8080/nowhere"),
      block("sh", "curl -s http://127.0.0.1:1/"),
      block("sh", "npm start -- no-such-command"),
      block("js", "await fetch('https://analytics.example/api/v1/analytics/stats?period=never')"),
      block("js", "console.log('asks nobody')"),
      block("js", "throw new Error('broken')", { untilStopped: true }),
      block("ts", 'import { Analytics } from "maicivy-analytics/sdk"\nnew Analytics({ address: "x" })'),
      block("html", '<script src="https://analytics.example/no-tracker.js"></script>'),
      block("html", '<a data-maicivy-evnt="x">x</a>'),
      block("yaml", "groups:\n  - rules:\n      - expr: maicivy_nothing > 1"),
    ]
    for (const each of broken) {
      const found = await LANGUAGES[each.language]?.run?.(each, follower)
      expect(found, each.text).toEqual(expect.arrayContaining([expect.any(String)]))
    }
  })
})
