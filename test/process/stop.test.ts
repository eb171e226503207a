import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { ROOT } from "../support/documents.ts"
import { eventually, freshDatabase, freshKeyPrefix, redisUrl, temporaryFolder } from "../support/index.ts"
import { api, dataOf, startProcess } from "../support/process.ts"
import { NODE } from "../support/program.ts"
import { wantsProc } from "../support/wants.ts"

/** A process and those it has started. */
const family = (parent: number): ReadonlyArray<number> => [
  parent,
  ...readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) === parent
      } catch {
        // It has ended in between.
        return false
      }
    }),
]

/** Whether a process runs: one that has ended is there until somebody has asked how. */
const runs = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

const signal = (pids: ReadonlyArray<number>, name: NodeJS.Signals) => {
  for (const pid of pids)
    try {
      process.kill(pid, name)
    } catch {
      // It has ended by itself.
    }
}

test("a stop ends in time and well though Postgres answers nothing any more, with reads and a batch waiting for it", {
  ...wantsProc,
}, async () => {
  const dataDir = temporaryFolder()
  const node = await startProcess(NODE, { cwd: ROOT, env: { DATA_DIR: dataDir } })
  const { pid }: { pid: number } = JSON.parse(readFileSync(join(dataDir, "postgres.json"), "utf8"))
  const post = () => fetch(api(node.url, "event"), { method: "POST", body: '{"event_type":"page_view"}' })
  expect((await post()).status).toBe(201)
  await eventually(async () => {
    const answer = await (await fetch(api(node.url, "timeline"))).text()
    expect(answer).toContain('"count":1')
  })
  const frozen = family(pid)
  onTestFinished(() => signal(frozen, "SIGKILL"))
  signal(frozen, "SIGSTOP")
  expect((await post()).status).toBe(201)
  const reads = Promise.allSettled(
    ["timeline", "heatmap", "history"].map((path) => fetch(api(node.url, path))),
  )
  // No part of it waits for Postgres for ever: the program's own deadline, by which it exits with 1, is far away here.
  expect(await node.end("SIGTERM")).toBe(0)
  expect(node.stderr()).not.toContain("cut short")
  await reads
})

test("a node whose log nobody reads any more goes on, and stops well with its stores", {
  ...wantsProc,
}, async () => {
  const dataDir = temporaryFolder()
  const env = { DATA_DIR: dataDir, RATE_LIMIT_PER_MINUTE: "0" }
  const node = await startProcess(NODE, { cwd: ROOT, env })
  const stores = () =>
    ["redis", "postgres"].map((store) => {
      const { pid }: { pid: number } = JSON.parse(readFileSync(join(dataDir, `${store}.json`), "utf8"))
      return pid
    })
  onTestFinished(() => signal(stores().flatMap(family), "SIGKILL"))
  node.leaveOutput()
  // Its death is noticed by a node that goes on, and told to a log that is not there.
  const [redis = 0] = stores()
  signal([redis], "SIGKILL")
  await eventually(() => expect(stores()[0]).not.toBe(redis))
  await eventually(async () => {
    const answer = await fetch(api(node.url, "event"), {
      method: "POST",
      body: '{"event_type":"page_view"}',
    })
    expect(answer.status).toBe(201)
  })
  expect(await node.end("SIGTERM")).toBe(0)
  // The last moments of a process are after it has given its memory back, by which the node tells that it has ended.
  await eventually(() => expect(stores().filter(runs)).toEqual([]))
})

/** A node that would drain for longer than this test may take. */
const patientNode = async () =>
  startProcess(NODE, {
    cwd: ROOT,
    env: {
      REDIS_URL: redisUrl(),
      DATABASE_URL: await freshDatabase(),
      REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
      DRAIN_SECONDS: "300",
    },
  })

test("after SIGTERM a node serves and counts until the drain is over, which a second signal ends", async () => {
  const node = await patientNode()
  const exited = node.end("SIGTERM")
  await eventually(async () => expect((await fetch(`${node.url}/ready`)).status).toBe(503))
  const sent = await fetch(api(node.url, "event"), { method: "POST", body: '{"event_type":"page_view"}' })
  expect([sent.status, sent.headers.get("connection")]).toEqual([201, "close"])
  await eventually(async () => expect(await dataOf(node.url, "stats")).toMatchObject({ total_events: 1 }))
  expect(await Promise.all([exited, node.end("SIGTERM")])).toEqual([0, 0])
})

test("SIGINT, as a terminal sends it, is not followed by a drain", async () => {
  const node = await patientNode()
  expect(await node.end("SIGINT")).toBe(0)
})
