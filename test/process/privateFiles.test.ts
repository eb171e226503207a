import { chmodSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { Redis } from "ioredis"
import { expect, test } from "vitest"
import { notedStoreUrls } from "../../src/node/dataFolder.ts"
import { ROOT } from "../support/documents.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { api, dataOf, startProcess } from "../support/process.ts"
import { PROGRAM } from "../support/program.ts"
import { wantsFileModes } from "../support/wants.ts"

/** A folder and all that is in it. */
const everythingFrom = (folder: string): ReadonlyArray<string> => [
  folder,
  ...readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => join(folder, path)),
]

const openToOthers = (folder: string): ReadonlyArray<string> =>
  everythingFrom(folder).filter((path) => {
    // A store may have removed it since.
    const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0
    return (mode & 0o077) !== 0
  })

/** Makes Redis write all of its files again. */
const rewriteAof = async (dataDir: string): Promise<void> => {
  const redis = new Redis(notedStoreUrls(dataDir)?.redisUrl ?? "")
  try {
    await redis.bgrewriteaof()
    await eventually(async () => {
      const info = await redis.info("persistence")
      expect(info).toContain("aof_rewrite_in_progress:0")
      expect(info).toContain("aof_rewrite_scheduled:0")
    })
  } finally {
    redis.disconnect()
  }
}

test("nobody but its owner can read anything in the data folder, whatever the umask and an earlier version made of it", {
  ...wantsFileModes,
}, async () => {
  const dataDir = join(temporaryFolder(), "data")
  // As the careless start it.
  const command = ["sh", "-c", `umask 000; exec node ${PROGRAM}`]
  const env = { DATA_DIR: dataDir }
  const work = async (url: string, events: number) => {
    const body = '{"event_type":"page_view"}'
    expect((await fetch(api(url, "event"), { method: "POST", body })).status).toBe(201)
    await eventually(async () => expect(await dataOf(url, "stats")).toMatchObject({ total_events: events }))
    await rewriteAof(dataDir)
    expect(everythingFrom(dataDir).length).toBeGreaterThan(100)
    expect(openToOthers(dataDir)).toEqual([])
  }
  const first = await startProcess(command, { cwd: ROOT, env })
  await work(first.url, 1)
  expect(await first.end("SIGTERM")).toBe(0)
  expect(openToOthers(dataDir)).toEqual([])

  // A store that is on its way out may remove one meanwhile.
  await eventually(() => {
    for (const path of everythingFrom(dataDir)) chmodSync(path, statSync(path).isDirectory() ? 0o755 : 0o644)
  })
  const second = await startProcess(command, { cwd: ROOT, env })
  await work(second.url, 2)
  expect(await second.end("SIGTERM")).toBe(0)
  expect(openToOthers(dataDir)).toEqual([])
})
