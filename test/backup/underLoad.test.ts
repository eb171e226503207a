import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import { existsSync, readdirSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { promisify } from "node:util"
import pg from "pg"
import { expect, test } from "vitest"
import { notedStoreUrls } from "../../src/node/dataFolder.ts"
import { CLOCK_ENV } from "../support/clock.ts"
import { ROOT } from "../support/documents.ts"
import { connect, rows } from "../support/events.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"
import { api, dataOf, startProcess } from "../support/process.ts"
import { NODE, PROGRAM } from "../support/program.ts"
import { drained, restoreElsewhere } from "./elsewhere.ts"

const SENDERS = 4

/** Posts events, each with one id until it is acknowledged, to wherever `url` says, until told to stop. */
const sending = (url: () => string) => {
  const acknowledged = new Set<string>()
  let stopped = false
  const sender = async () => {
    while (!stopped) {
      const id = randomUUID()
      const body = JSON.stringify({ event_type: "page_view", id, visitor_id: randomUUID() })
      await eventually(
        async () => {
          if (stopped) return
          const answer = await fetch(api(url(), "event"), { method: "POST", body })
          await answer.arrayBuffer()
          expect(answer.status).toBe(201)
          acknowledged.add(id)
        },
        { timeout: Number.POSITIVE_INFINITY },
      )
    }
  }
  const all = Promise.all(Array.from({ length: SENDERS }, sender))
  return {
    acknowledged,
    stop: async () => {
      stopped = true
      await all
    },
  }
}

/** Runs a command beside the node of a data folder, as an operator does. */
const command = (env: Record<string, string>, ...args: ReadonlyArray<string>) =>
  promisify(execFile)(process.execPath, [PROGRAM, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
  })

/** Keeps backups of a data folder from their end: they wait for a table. Returns what ends that. */
const holdUp = async (dataDir: string) => {
  const client = new pg.Client(notedStoreUrls(dataDir)?.databaseUrl)
  await client.connect()
  await client.query("BEGIN; LOCK TABLE goals IN ACCESS EXCLUSIVE MODE")
  return () => client.end()
}

/** The folder of an unfinished backup, once it is there. */
const begun = (folder: string) =>
  eventually(() => {
    const name = readdirSync(dirname(folder)).find((each) =>
      each.startsWith(`${basename(folder)}.unfinished.`),
    )
    if (name === undefined) throw new Error("the backup has not begun")
    return name
  })

test("made of embedded stores under load, with the node killed half-way, a backup is exact in stores of one's own", async () => {
  const dataDir = temporaryFolder()
  const env = {
    DATA_DIR: dataDir,
    PARTITIONS: "3",
    RATE_LIMIT_PER_MINUTE: "0",
    LOG_LEVEL: "error",
    ...CLOCK_ENV,
  }
  const first = await startProcess(NODE, { cwd: ROOT, env })
  let { url } = first
  const load = sending(() => url)
  const folder = join(temporaryFolder(), "backup")
  try {
    await eventually(() => expect(load.acknowledged.size).toBeGreaterThan(1000))
    const before = new Set(load.acknowledged)
    const goOn = await holdUp(dataDir)
    const making = command(env, "backup", "--to", folder)
    await begun(folder)
    await first.end("SIGKILL")
    await goOn()
    const second = await startProcess(NODE, { cwd: ROOT, env })
    url = second.url
    const { stdout } = await making
    expect(stdout).toContain(`The backup is in ${folder}.`)
    const inAll = load.acknowledged.size
    await eventually(() => expect(load.acknowledged.size).toBeGreaterThan(inAll + 100))
    await load.stop()
    expect((await command(env, "backup", "verify", folder)).stdout).toContain(
      "Every file is as it was written.",
    )

    // With another zone and other partitions, in stores that are not embedded.
    const elsewhere = await settings({ partitions: 2, timeZone: "Europe/Paris" })
    const target = await restoreElsewhere(folder, elsewhere, { partitions: 2, timeZone: "Europe/Paris" })
    const restored = await runNode(target)
    await drained(target)
    const found = await rows<{ id: string; visitor_id: string }>(
      await connect(target.databaseUrl),
      "SELECT id, visitor_id FROM analytics_events",
    )
    const ids = new Set(found.map(({ id }) => id))
    expect(ids.size).toBe(found.length)
    expect([...before].filter((id) => !ids.has(id))).toEqual([])
    // What came while it was made is in it as a whole or not at all, and nothing else is.
    const origin = await connect(notedStoreUrls(dataDir)?.databaseUrl ?? "")
    await eventually(async () => {
      // What the backup has as waiting may wait still.
      const everySent = await rows<{ id: string }>(origin, "SELECT id FROM analytics_events")
      const sent = new Set(everySent.map(({ id }) => id))
      expect([...ids].filter((id) => !sent.has(id))).toEqual([])
    })
    expect(await restored.data("stats")).toMatchObject({
      total_events: found.length,
      page_views: found.length,
      unique_visitors: new Set(found.map(({ visitor_id }) => visitor_id)).size,
    })
    await eventually(async () =>
      expect((await dataOf(url, "stats")).total_events).toBeGreaterThan(found.length),
    )
    await second.end("SIGTERM")
  } finally {
    await load.stop()
  }
})

test("a backup that is killed leaves nothing that looks like one, and the next removes what it left", async () => {
  const dataDir = temporaryFolder()
  const env = { DATA_DIR: dataDir, LOG_LEVEL: "error", ...CLOCK_ENV }
  const node = await startProcess(NODE, { cwd: ROOT, env })
  const folder = join(temporaryFolder(), "backup")
  const goOn = await holdUp(dataDir)
  const making = command(env, "backup", "--to", folder)
  const left = await begun(folder)
  making.child.kill("SIGKILL")
  await making.catch(() => undefined)
  await goOn()
  expect(existsSync(folder)).toBe(false)
  expect(readdirSync(dirname(folder))).toEqual([left])
  await command(env, "backup", "--to", folder)
  expect(readdirSync(dirname(folder))).toEqual([basename(folder)])
  await node.end("SIGTERM")
})
