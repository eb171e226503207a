import { spawnSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import { expect, test } from "vitest"
import { bundle } from "../../scripts/bundle.ts"
import { ROOT } from "../support/documents.ts"
import { eventually, freshDatabase, freshKeyPrefix, redisUrl, temporaryFolder } from "../support/index.ts"
import { api, dataOf, startProcess, systemPath } from "../support/process.ts"
import { wants } from "../support/wants.ts"

const ENTRY = "node_modules/.cache/server/main.js"
const MEGABYTE = 1024 * 1024

/** Bytes of memory that are a process' own: how much of the program's file a system keeps mapped is the system's choice. */
const ownMemory = (pid: number): number =>
  Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024

/** A folder with the least that can be bundled. */
const project = (main: string): string => {
  const root = temporaryFolder()
  const entries = ["src/actors/thread", "src/node/httpThread", "src/query/engine"]
  for (const entry of entries) mkdirSync(join(root, entry), { recursive: true })
  mkdirSync(join(root, "scripts"))
  for (const script of ["bundle.ts", "bundleFolder.mjs", "start.mjs"])
    cpSync(join(ROOT, "scripts", script), join(root, "scripts", script))
  writeFileSync(join(root, "package.json"), '{ "type": "module" }')
  writeFileSync(join(root, "package-lock.json"), "{}")
  writeFileSync(join(root, "src/main.ts"), main)
  for (const entry of entries) writeFileSync(join(root, entry, "entry.ts"), "export {}")
  return root
}

/** The folder that the entry imports. */
const bundleOf = (root: string): string =>
  /^import "\.\/(\w+)\/main\.js"\n$/.exec(readFileSync(join(root, ENTRY), "utf8"))?.[1] ?? ""

test("a bundled node does all that one from sources does, and keeps less than 80 MB of memory whenever it idles", async () => {
  expect(await bundle(ROOT)).toBeNull()
  const node = await startProcess(["node", ENTRY], {
    cwd: ROOT,
    env: {
      REDIS_URL: redisUrl(),
      REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
      DATABASE_URL: await freshDatabase(),
      RATE_LIMIT_PER_MINUTE: "0",
    },
  })
  // Where the system has no such file, the bound is taken on trust.
  const memory = () => (existsSync(`/proc/${node.pid}/status`) ? ownMemory(node.pid) : 0)
  await eventually(() => expect(memory()).toBeLessThan(80 * MEGABYTE))

  const events = Array.from({ length: 1000 }, (_, i) => ({ event_type: "page_view", page_url: `/${i}` }))
  const body = JSON.stringify(events)
  for (let batch = 0; batch < 40; batch++)
    expect((await fetch(api(node.url, "events"), { method: "POST", body })).status).toBe(201)
  // Counted by the actors, who are a thread of the bundle; and shown by pages that lie beside the sources.
  await eventually(async () =>
    expect(await dataOf(node.url, "stats")).toMatchObject({ total_events: 40_000 }),
  )
  expect((await fetch(`${node.url}/tracker.js`)).status).toBe(200)
  await eventually(() => expect(memory()).toBeLessThan(80 * MEGABYTE))
  expect(await node.end("SIGTERM")).toBe(0)
})

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

/** Another user than the owner of this project; undefined when only root could be another. */
const stranger = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined
const isOpenToAll = (path: string): boolean =>
  (statSync(path).mode & 0o005) === 0o005 && (dirname(path) === path || isOpenToAll(dirname(path)))

/** Root may keep its Node and this project where nobody else gets to. */
const strangersReach = stranger === undefined || (isOpenToAll(dirname(process.execPath)) && isOpenToAll(ROOT))
const STRANGER = "root, in a folder that other users may read"
const wantsStranger = wants(strangersReach, STRANGER)

/** What `npm start` runs after the packages, by somebody who may read the project and not write to it. */
const startAsStranger = (root: string) => {
  for (const folder of ["node_modules/.cache/server", "node_modules/.cache", "node_modules"])
    if (existsSync(join(root, folder))) chmodSync(join(root, folder), stranger === undefined ? 0o555 : 0o755)
  return ["scripts/bundle.ts", "scripts/start.mjs"].map((script) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script], {
      cwd: root,
      encoding: "utf8",
      ...stranger,
    })
    return { status, stdout, stderr }
  })
}

/** A project that others may read, whose packages are this one's. */
const publicProject = (main: string): string => {
  const root = project(main)
  chmodSync(root, 0o755)
  mkdirSync(join(root, "node_modules"))
  return root
}

test(
  "whoever cannot write to the project runs its sources, and is told why in one sentence",
  wantsStranger,
  () => {
    const root = publicProject("console.log('it runs')")
    const [bundling, started] = startAsStranger(root)
    expect(bundling).toMatchObject({ status: 0, stdout: "" })
    expect(bundling?.stderr).toMatch(
      /^The sources could not be bundled and run as they are, with 60 MB more: EACCES: permission denied, mkdir '[^']+'\n$/,
    )
    expect(started).toEqual({ status: 0, stdout: "it runs\n", stderr: "" })
  },
)

test(
  "whoever cannot write to the project runs the bundle that its owner has made, and the sources once it is outdated",
  wantsStranger,
  async () => {
    const root = publicProject("console.log(1)")
    expect(await bundle(root)).toBeNull()
    const written = statSync(join(root, ENTRY)).mtimeMs
    expect(startAsStranger(root)).toEqual([
      { status: 0, stdout: "", stderr: "" },
      { status: 0, stdout: "1\n", stderr: "" },
    ])
    expect(statSync(join(root, ENTRY)).mtimeMs).toBe(written)
    writeFileSync(join(root, "src/main.ts"), "console.log(2)")
    const [bundling, started] = startAsStranger(root)
    expect(bundling?.stderr).toContain("EACCES")
    expect(started).toEqual({ status: 0, stdout: "2\n", stderr: "" })
  },
)

test("npm start from another user's project serves, with stores of its own user", {
  ...wants(stranger !== undefined && strangersReach, STRANGER),
}, async () => {
  const root = temporaryFolder()
  chmodSync(root, 0o755)
  for (const name of ["package.json", "package-lock.json", "scripts", "src"])
    cpSync(join(ROOT, name), join(root, name), { recursive: true })
  mkdirSync(join(root, "node_modules"))
  for (const name of readdirSync(join(ROOT, "node_modules")))
    if (name !== ".cache") symlinkSync(join(ROOT, "node_modules", name), join(root, "node_modules", name))
  const home = temporaryFolder()
  chownSync(home, stranger?.uid ?? 0, stranger?.gid ?? 0)
  const node = await startProcess(["npm", "start"], {
    cwd: root,
    env: { HOME: home, DATA_DIR: join(home, "data"), PATH: systemPath() },
    ...stranger,
  })
  const posted = await fetch(api(node.url, "event"), { method: "POST", body: '{"event_type":"page_view"}' })
  expect(posted.status).toBe(201)
  expect(node.stderr()).toContain("The sources could not be bundled and run as they are")
  expect(node.stderr()).not.toMatch(/^\s+at /m)
  for (const name of readdirSync(join(home, "data")))
    expect(statSync(join(home, "data", name)).uid).toBe(stranger?.uid)
  expect(await node.end("SIGTERM")).toBe(0)
})
