import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import pg from "pg"
import { expect, test } from "vitest"
import { ROOT } from "../support/documents.ts"
import { eventually, freshDatabase, freshKeyPrefix, redisUrl, temporaryFolder } from "../support/index.ts"
import { api, dataOf, send, startProcess, systemPath } from "../support/process.ts"
import { NODE } from "../support/program.ts"

const rowIds = async (databaseUrl: string): Promise<ReadonlyArray<string>> => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string }>("SELECT id FROM analytics_events")
    return rows.map((row) => row.id)
  } finally {
    await client.end()
  }
}

/** Every acknowledged event is there once, and nothing else. */
const expectExactly = async (url: string, databaseUrl: string, acknowledged: ReadonlySet<string>) => {
  await eventually(async () =>
    expect(await dataOf(url, "stats")).toMatchObject({ total_events: acknowledged.size }),
  )
  const ids = await rowIds(databaseUrl)
  expect(ids.filter((id) => !acknowledged.has(id))).toEqual([])
  expect(ids).toHaveLength(acknowledged.size)
}

test("a copy of the repository starts with npm start, stops cleanly, and finds its data again", async () => {
  const clone = temporaryFolder()
  for (const file of execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  }).split("\n")) {
    if (file === "" || file.startsWith("test/")) continue
    mkdirSync(dirname(join(clone, file)), { recursive: true })
    cpSync(join(ROOT, file), join(clone, file))
  }
  const env = { PATH: systemPath(), DATA_DIR: join(clone, "data"), SITES: "main,blog" }
  const first = await startProcess(["npm", "start"], { cwd: clone, env })
  // Everybody may see the figures, and nobody may manage anything yet.
  await eventually(() =>
    expect(first.stdout()).toMatch(/first owner {2}http:\S+\/login#setup=maf_\S+\n +who manages sites/),
  )
  const posted = await fetch(api(first.url, "event"), {
    method: "POST",
    body: '{"event_type":"page_view","site":"blog"}',
  })
  expect(posted.status).toBe(201)
  await eventually(async () =>
    expect(await dataOf(first.url, "stats?site=blog")).toMatchObject({ total_events: 1 }),
  )
  expect(await first.end("SIGTERM")).toBe(0)
  for (const line of first
    .stderr()
    .split("\n")
    .filter((each) => each.startsWith("{")))
    JSON.parse(line)

  const second = await startProcess(["npm", "start"], { cwd: clone, env })
  expect(await dataOf(second.url, "stats?site=blog")).toMatchObject({ total_events: 1, unique_visitors: 1 })
  expect(await second.end("SIGTERM")).toBe(0)
})

test("a node that is killed in mid-stream and started again has every acknowledged event once", async () => {
  const databaseUrl = await freshDatabase()
  const env = {
    REDIS_URL: redisUrl(),
    DATABASE_URL: databaseUrl,
    REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
    RATE_LIMIT_PER_MINUTE: "0",
  }
  let node = await startProcess(NODE, { cwd: ROOT, env })
  const sending = send(() => [node.url], 6000, 16)
  for (let kill = 1; kill <= 2; kill++) {
    await eventually(async () =>
      expect(Number((await dataOf(node.url, "stats")).total_events)).toBeGreaterThan(kill * 1000),
    )
    await node.end("SIGKILL")
    node = await startProcess(NODE, { cwd: ROOT, env })
  }
  await expectExactly(node.url, databaseUrl, await sending)
})

test("a second node takes over a killed node's partitions, with nothing lost or doubled", async () => {
  const databaseUrl = await freshDatabase()
  const env = {
    REDIS_URL: redisUrl(),
    DATABASE_URL: databaseUrl,
    REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
    RATE_LIMIT_PER_MINUTE: "0",
  }
  const nodes = await Promise.all([
    startProcess(NODE, { cwd: ROOT, env }),
    startProcess(NODE, { cwd: ROOT, env }),
  ])
  const [survivor, victim] = nodes
  if (survivor === undefined || victim === undefined) throw new Error("two nodes were started")
  let urls: ReadonlyArray<string> = nodes.map((node) => node.url)
  const sending = send(() => urls, 4000, 16)
  await eventually(async () =>
    expect(Number((await dataOf(survivor.url, "stats")).total_events)).toBeGreaterThan(1000),
  )
  await victim.end("SIGKILL")
  urls = [survivor.url]
  await expectExactly(survivor.url, databaseUrl, await sending)
})

test("a wrong setting stops the start with one sentence", async () => {
  await expect(startProcess(NODE, { cwd: ROOT, env: { PARTITIONS: "none" } })).rejects.toThrow(
    'PARTITIONS is "none": it should be a whole number from 1 to 64.',
  )
})
