/** Starts in a data folder that was not left cleanly, or that was copied or renamed. */

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { embeddedPostgres, lockDataDir } from "../../src/embedded/index.ts"
import { isAlive, startTimeOf, statFields } from "../../src/embedded/process.ts"
import { run } from "../support/effects.ts"
import { eventually, temporaryFolder } from "../support/index.ts"
import { newFolder, removeLeftFolder } from "../support/temporaryFolder.ts"
import { wantsProc } from "../support/wants.ts"
import { ended, inPostgres, inRedis, note, noted, redisIn, startOwner, use } from "./running.ts"

const childrenOf = (parent: number): ReadonlyArray<number> =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => statFields(pid)?.[1] === String(parent))

const signal = (pids: ReadonlyArray<number>, name: NodeJS.Signals) => {
  for (const pid of pids)
    try {
      process.kill(pid, name)
    } catch {
      // It has ended by itself.
    }
}

/** Copies what is in a folder, with modes and owners. */
const copy = async (from: string, to: string) => {
  mkdirSync(dirname(to), { recursive: true })
  expect(await once(spawn("cp", ["-a", `${from}/.`, to], { stdio: "ignore" }), "exit")).toEqual([0, null])
}

/** A data folder as a first start leaves it; to make PostgreSQL's data for each test would take longer than the tests. */
let started = ""

beforeAll(async () => {
  started = newFolder()
  await use(embeddedPostgres({ dataDir: started }), async () => undefined)
  return () => removeLeftFolder(started)
})

/** A folder whose stores hold a note each, and its processes. */
const startWithNotes = async (dataDir: string) => {
  await copy(started, dataDir)
  const owner = await startOwner(dataDir)
  await inRedis(owner.redis, (redis) => redis.set("key", "kept"))
  await inPostgres(owner.postgres, note)
  const stores = [owner.pids.redis, owner.pids.postgres, ...childrenOf(owner.pids.postgres)]
  onTestFinished(() => signal(stores, "SIGKILL"))
  return { ...owner, stores }
}

/** As a power failure leaves it. */
const leftByPowerFailure = async (): Promise<string> => {
  const dataDir = temporaryFolder()
  const owner = await startWithNotes(dataDir)
  await owner.kill()
  signal(owner.stores, "SIGKILL")
  await ended(...owner.stores)
  return dataDir
}

/** Starts both stores; they have their notes. */
const expectNotes = async (dataDir: string) => {
  const key = use(redisIn(dataDir), ({ url }) => inRedis(url, (redis) => redis.get("key")))
  const rows = use(embeddedPostgres({ dataDir }), ({ url }) => inPostgres(url, noted))
  expect(await Promise.all([key, rows])).toEqual(["kept", ["kept"]])
}

/** Another program of the user that Postgres runs as. */
const startOther = (
  dataDir: string,
  ...command: ReadonlyArray<string>
): ChildProcess & { readonly pid: number } => {
  const { uid, gid } = statSync(join(dataDir, "postgres"))
  const [file = "", ...args] = command
  const child = spawn(file, args, {
    stdio: "ignore",
    cwd: "/",
    ...(process.getuid?.() === 0 && { uid, gid }),
  })
  onTestFinished(() => {
    child.kill("SIGKILL")
  })
  if (child.pid === undefined) throw new Error(`${file} does not run`)
  return Object.assign(child, { pid: child.pid })
}

const postmasterPid = (dataDir: string) => join(dataDir, "postgres/postmaster.pid")
const namePostmaster = (dataDir: string, pid: number) => {
  const [, ...rest] = readFileSync(postmasterPid(dataDir), "utf8").split("\n")
  writeFileSync(postmasterPid(dataDir), [pid, ...rest].join("\n"))
}

describe("after kill -9 or a power failure, a start works", wantsProc, () => {
  test("though PostgreSQL's lock names another program of the same user, which goes on", async () => {
    const dataDir = await leftByPowerFailure()
    const other = startOther(dataDir, "sleep", "600")
    namePostmaster(dataDir, other.pid)
    await expectNotes(dataDir)
    expect(isAlive(other.pid)).toBe(true)
  })

  test("though PostgreSQL's lock names a process that has ended, and nobody has asked how", async () => {
    const dataDir = await leftByPowerFailure()
    const parent = startOther(dataDir, "sh", "-c", "sleep 0 & exec sleep 600")
    const zombie = await eventually(() => {
      const [child = 0] = childrenOf(parent.pid)
      expect(statFields(child)?.[0]).toBe("Z")
      return child
    })
    namePostmaster(dataDir, zombie)
    await expectNotes(dataDir)
  })

  test.each([
    ["is empty", ""],
    ["is full of zeros", "\0".repeat(100)],
  ])("though PostgreSQL's lock %s", async (_, content) => {
    const dataDir = await leftByPowerFailure()
    writeFileSync(postmasterPid(dataDir), content)
    await expectNotes(dataDir)
  })

  test("though the notes of both stores name another program, which goes on", async () => {
    const dataDir = await leftByPowerFailure()
    const other = startOther(dataDir, "sleep", "600")
    for (const store of ["redis", "postgres"]) {
      const path = join(dataDir, `${store}.json`)
      const left = JSON.parse(readFileSync(path, "utf8"))
      writeFileSync(path, JSON.stringify({ ...left, pid: other.pid, startedAt: startTimeOf(other.pid) }))
    }
    await expectNotes(dataDir)
    expect(isAlive(other.pid)).toBe(true)
  })

  test.each([["null"], ["{}"], ["\0\0\0"], [""]])(
    "though the notes and the lock hold %j",
    async (content) => {
      const dataDir = await leftByPowerFailure()
      for (const name of ["redis.json", "postgres.json", "lock"]) writeFileSync(join(dataDir, name), content)
      await run(Effect.scoped(lockDataDir(dataDir)))
      await expectNotes(dataDir)
    },
  )

  test("at once, while the killed processes are still there for their parent to look at", async () => {
    const dataDir = temporaryFolder()
    const owner = await startWithNotes(dataDir)
    signal([owner.pid ?? 0], "SIGSTOP")
    signal(owner.stores, "SIGKILL")
    await eventually(() => {
      for (const pid of [owner.pids.redis, owner.pids.postgres]) expect(statFields(pid)?.[0]).toBe("Z")
    })
    await expectNotes(dataDir)
  })

  test("though a backend of the killed PostgreSQL is still busy", async () => {
    const dataDir = temporaryFolder()
    const owner = await startWithNotes(dataDir)
    await owner.kill()
    const [busy = 0] = await inPostgres(owner.postgres, async (client) => {
      const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")
      // Not awaited: it outlives the server.
      client.query("SELECT count(*) FROM generate_series(1, 1e12)").catch(() => undefined)
      await eventually(() => expect(statFields(rows[0]?.pid ?? 0)?.[0]).toBe("R"))
      signal([owner.pids.postgres], "SIGKILL")
      return rows.map(({ pid }) => pid)
    })
    expect(isAlive(busy)).toBe(true)
    await expectNotes(dataDir)
    await ended(busy)
  })

  test("though the stores it left running are frozen", async () => {
    const dataDir = temporaryFolder()
    const owner = await startWithNotes(dataDir)
    await owner.kill()
    signal(owner.stores, "SIGSTOP")
    await expectNotes(dataDir)
    await ended(...owner.stores)
  })

  test("though the notes of the stores it left running are lost, and each is there once", async () => {
    const dataDir = temporaryFolder()
    const owner = await startWithNotes(dataDir)
    await owner.kill()
    for (const store of ["redis", "postgres"]) rmSync(join(dataDir, `${store}.json`))
    await expectNotes(dataDir)
    await ended(...owner.stores)
  })

  test("though the folder was renamed since, while its stores were running", async () => {
    const dataDir = join(temporaryFolder(), "before")
    const owner = await startWithNotes(dataDir)
    await owner.kill()
    const renamed = join(dirname(dataDir), "after")
    renameSync(dataDir, renamed)
    await run(Effect.scoped(lockDataDir(renamed)))
    await expectNotes(renamed)
    await ended(...owner.stores)
  })
})

describe("the lock of a data folder", () => {
  test("is taken over from a process that was killed while it took it, and had this one's id", async () => {
    const dataDir = temporaryFolder()
    const lock = join(dataDir, "lock")
    writeFileSync(lock, JSON.stringify({ pid: process.pid, startedAt: "1" }))
    linkSync(lock, `${lock}.${process.pid}`)
    await run(Effect.scoped(lockDataDir(dataDir)))
  })

  test("holds in a folder that was renamed", async () => {
    const dataDir = join(temporaryFolder(), "before")
    await copy(started, dataDir)
    const owner = await startOwner(dataDir)
    renameSync(dataDir, join(dirname(dataDir), "after"))
    await expect(run(Effect.scoped(lockDataDir(join(dirname(dataDir), "after"))))).rejects.toThrow(
      `is in use by process ${owner.pid};`,
    )
    renameSync(join(dirname(dataDir), "after"), dataDir)
  })
})

describe("a copy of a data folder in use", wantsProc, () => {
  // The second copy's path is the end of the original's, which its processes' command lines hold.
  test.each(["beside it", "that looks the same from its end"])(
    "%s starts as a deployment of its own and says so, and the original goes on untouched",
    async (where) => {
      const root = temporaryFolder()
      const beside = join(root, "copy/data")
      const original = where === "beside it" ? join(root, "data") : join(root, "original", beside)
      const owner = await startWithNotes(original)
      // A file of a running store may go before it is copied.
      await eventually(async () => {
        rmSync(beside, { recursive: true, force: true })
        await copy(original, beside)
      })
      await inRedis(owner.redis, (redis) => redis.set("key", "changed since"))

      const messages: Array<string> = []
      const logger = Logger.make(({ message }) => {
        messages.push(String(message))
      })
      await Effect.runPromise(Effect.scoped(lockDataDir(beside)).pipe(Effect.provide(Logger.layer([logger]))))
      expect(messages).toEqual([
        expect.stringContaining(
          `DATA_DIR "${beside}" is a copy of "${original}", made while that was in use by process ${owner.pid}.`,
        ),
      ])
      await expectNotes(beside)

      expect(Object.values(owner.pids).filter((pid) => !isAlive(pid))).toEqual([])
      expect(await inRedis(owner.redis, (redis) => redis.get("key"))).toBe("changed since")
      expect(await inPostgres(owner.postgres, noted)).toEqual(["kept"])
      await expect(run(Effect.scoped(lockDataDir(original)))).rejects.toThrow(`process ${owner.pid};`)
    },
  )
})
