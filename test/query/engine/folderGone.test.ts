/** An engine whose folder is removed under it. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import type { FromEngine, ToEngine } from "../../../src/query/engine/messages.ts"
import { decodeQuery, QueryProblem } from "../../../src/query/language/index.ts"
import { event, freshEvents, store } from "../../support/events.ts"
import { eventually, redisUrl, temporaryFolder } from "../../support/index.ts"
import { settings } from "../../support/node.ts"

const NOW = Date.parse("2026-11-30T15:20:10Z")

const QUERY = decodeQuery(
  { metrics: ["events"], date_range: "7d", filters: [["is_not", "page", ["/nowhere"]]] },
  { now: NOW, sites: new Set(["main"]), site: "main", timeZone: "UTC", earliest: () => null },
)
if (QUERY instanceof QueryProblem) throw new Error(QUERY.error)
const query = QUERY

test("an engine whose folder is removed refuses what it is asked, and ends without a word", async () => {
  const { postgres, url } = await freshEvents()
  await store(postgres, [event({ createdAt: NOW - 86_400_000 })])
  const folder = join(temporaryFolder(), "engine-1")
  const config = await settings({ databaseUrl: url })
  const redis = { url: redisUrl(), cluster: false, certificates: { ca: null, cert: null, key: null } }
  const entry = new URL("../../../src/query/engine/entry.ts", import.meta.url)
  const engine = fork(entry, { serialization: "advanced", silent: true })
  onTestFinished(() => void engine.kill("SIGKILL"))
  const ended = once(engine, "exit")
  const said: Array<FromEngine> = []
  engine.on("message", (message: FromEngine) => said.push(message))
  let complaints = ""
  engine.stderr?.on("data", (chunk: Buffer) => {
    complaints += chunk.toString()
  })
  const tell = (message: ToEngine) => engine.send(message)
  tell({ type: "start", config, stores: { databaseUrl: url, redis }, folder })
  tell({ type: "ask", id: 1, query })
  await eventually(() => expect(said).toContainEqual(expect.objectContaining({ type: "answered", id: 1 })))
  rmSync(folder, { recursive: true })
  tell({ type: "ask", id: 2, query })
  expect(await ended).toEqual([0, null])
  expect(said.at(-1)).toMatchObject({ type: "refused", id: 2, failure: "failed" })
  expect(complaints).toBe("")
})
