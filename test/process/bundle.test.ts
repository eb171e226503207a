import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { bundle } from "../../scripts/bundle.ts"
import { CLOCK_ENV } from "../support/clock.ts"
import { ROOT } from "../support/documents.ts"
import { eventually, freshDatabase, freshKeyPrefix, redisUrl, temporaryFolder } from "../support/index.ts"
import { api, dataOf, startProcess } from "../support/process.ts"

const ENTRY = "node_modules/.cache/server/main.js"
const MEGABYTE = 1024 * 1024

/** Bytes of a process in memory. */
const resident = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024

/** A folder with the least that can be bundled. */
const project = (main: string): string => {
  const root = temporaryFolder()
  mkdirSync(join(root, "src/actors/thread"), { recursive: true })
  mkdirSync(join(root, "scripts"))
  cpSync(join(ROOT, "scripts/bundle.ts"), join(root, "scripts/bundle.ts"))
  for (const file of ["package.json", "package-lock.json"]) writeFileSync(join(root, file), "{}")
  writeFileSync(join(root, "src/main.ts"), main)
  writeFileSync(join(root, "src/actors/thread/entry.ts"), "export {}")
  return root
}

/** The folder that the entry imports. */
const bundleOf = (root: string): string =>
  /^import "\.\/(\w+)\/main\.js"\n$/.exec(readFileSync(join(root, ENTRY), "utf8"))?.[1] ?? ""

test("a bundled node does all that one from sources does, and takes less than 120 MB whenever it idles", async () => {
  expect(await bundle(ROOT)).toBeNull()
  const node = await startProcess(["node", ENTRY], {
    cwd: ROOT,
    env: {
      REDIS_URL: redisUrl(),
      REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
      DATABASE_URL: await freshDatabase(),
      RATE_LIMIT_PER_MINUTE: "0",
      ...CLOCK_ENV,
    },
  })
  // Where the system has no such file, the bound is taken on trust.
  const memory = () => (existsSync(`/proc/${node.pid}/status`) ? resident(node.pid) : 0)
  await eventually(() => expect(memory()).toBeLessThan(120 * MEGABYTE), { timeout: 60_000 })

  const events = Array.from({ length: 1000 }, (_, i) => ({ event_type: "page_view", page_url: `/${i}` }))
  const body = JSON.stringify(events)
  for (let batch = 0; batch < 40; batch++)
    expect((await fetch(api(node.url, "events"), { method: "POST", body })).status).toBe(201)
  // Counted by the actors, who are a thread of the bundle; and shown by pages that lie beside the sources.
  await eventually(
    async () => expect(await dataOf(node.url, "stats")).toMatchObject({ total_events: 40_000 }),
    {
      timeout: 40_000,
    },
  )
  expect((await fetch(`${node.url}/tracker.js`)).status).toBe(200)
  await eventually(() => expect(memory()).toBeLessThan(120 * MEGABYTE), { timeout: 60_000 })
  expect(await node.end("SIGTERM")).toBe(0)
}, 240_000)

test("sources that cannot be bundled run as they are", async () => {
  const root = project('import "./missing.ts"')
  expect(await bundle(root)).toContain("missing.ts")
  expect(readFileSync(join(root, ENTRY), "utf8")).toBe('import "../../../src/main.ts"\n')
})

test("a change of a source makes another bundle, and a running node keeps its own", async () => {
  const root = project("console.log(1)")
  expect(await bundle(root)).toBeNull()
  const first = bundleOf(root)
  expect(await bundle(root)).toBeNull()
  expect(bundleOf(root)).toBe(first)
  writeFileSync(join(root, "src/main.ts"), "console.log(2)")
  expect(await bundle(root)).toBeNull()
  const second = bundleOf(root)
  expect(second).not.toBe(first)
  expect(readdirSync(join(root, "node_modules/.cache/server"))).toEqual(
    expect.arrayContaining([first, second, "main.js"]),
  )
})
