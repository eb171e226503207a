import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { eventually, temporaryFolder } from "../support/index.ts"
import { api, startProcess } from "./support.ts"

const ROOT = join(import.meta.dirname, "..", "..")

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

const signal = (pids: ReadonlyArray<number>, name: NodeJS.Signals) => {
  for (const pid of pids)
    try {
      process.kill(pid, name)
    } catch {
      // It has ended by itself.
    }
}

test.skipIf(!existsSync("/proc/self/status"))(
  "a stop ends in time and well though Postgres answers nothing any more, with reads and a batch waiting for it",
  async () => {
    const dataDir = temporaryFolder()
    const node = await startProcess(["node", "src/main.ts"], { cwd: ROOT, env: { DATA_DIR: dataDir } })
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
    // What decides whether the stop was cut short is the program's own deadline: it exits with 1 then.
    expect(await node.end("SIGTERM")).toBe(0)
    expect(node.stderr()).not.toContain("cut short")
    await reads
  },
  60_000,
)
