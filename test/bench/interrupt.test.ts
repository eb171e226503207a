import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { expect, onTestFinished, test } from "vitest"
import { commandLineOf, isAlive } from "../../src/embedded/process.ts"
import { ROOT } from "../support/documents.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { wantsProc } from "../support/wants.ts"

interface Bench {
  /** The parent of its scratch folder. */
  readonly scratch: string
  readonly said: () => string
}

const has = ({ scratch }: Bench, ending: string): boolean =>
  readdirSync(scratch, { recursive: true, encoding: "utf8" }).some((path) => path.endsWith(ending))

/** The command lines of processes that mention a folder. */
const processesOf = (folder: string): ReadonlyArray<string> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandLineOf(Number(pid)) ?? "")
    .filter((line) => line.includes(folder))

const LOADED = {
  moment: "while stores are loaded",
  args: ["queries", "scrape", "--events", "3000000"],
  come: (bench: Bench) => has(bench, "stores.json"),
}

const MOMENTS = [
  { ...LOADED, moment: "while stores start", come: (bench: Bench) => has(bench, "postgres") },
  LOADED,
  {
    moment: "while a command works",
    args: ["queries", "scrape", "--events", "20000"],
    come: (bench: Bench) => has(bench, ".complete") && has(bench, "stores.json"),
  },
  {
    moment: "while a node is under load",
    args: ["end-to-end", "scrape", "--seconds", "60"],
    come: ({ said }: Bench) => /bare server: \d+/.test(said()),
  },
]

// A terminal signals every process of the run, everything else only the first one.
const CTRL_C = { how: "Ctrl-C", signal: "SIGINT", target: (pid: number) => -pid } as const
const TERMINATE = { how: "SIGTERM", signal: "SIGTERM", target: (pid: number) => pid } as const

test.each([...MOMENTS.map((each) => ({ ...each, ...CTRL_C })), { ...LOADED, ...TERMINATE }])(
  "a run that $how interrupts $moment leaves no process and no folder behind",
  wantsProc,
  async ({ args, come, signal, target }) => {
    const scratch = temporaryFolder()
    const bench = spawn(process.execPath, ["bench/main.ts", ...args, "--smoke", "--no-results"], {
      cwd: ROOT,
      detached: true,
      env: { ...process.env, TMPDIR: scratch },
      stdio: ["ignore", "ignore", "pipe"],
    })
    let said = ""
    bench.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString()
    })
    const { pid } = bench
    if (pid === undefined) throw new Error("the bench did not start")
    onTestFinished(() => {
      if (isAlive(pid)) process.kill(-pid, "SIGKILL")
    })
    const exited = once(bench, "exit")
    await eventually(() => expect(come({ scratch, said: () => said }), said).toBe(true))
    process.kill(target(pid), signal)
    expect(await exited, said).toEqual([130, null])
    // One that was killed may take a moment to go.
    await eventually(() => expect(processesOf(scratch), said).toEqual([]))
    expect(readdirSync(scratch)).toEqual([])
  },
)
