import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { expect, test } from "vitest"
import { embeddedPostgres, embeddedRedis, lockDataDir } from "../../src/embedded/index.ts"
import { isAlive } from "../../src/embedded/process.ts"
import { openScope, run } from "../support/effects.ts"
import { eventually, privatePostgres, privateRedis, temporaryFolder } from "../support/index.ts"
import { wants } from "../support/wants.ts"
import { ended, inPostgres, inRedis, note, noted, redisIn, startOwner, use } from "./running.ts"

test("Redis keeps its data and its password over a restart, and nothing of it runs in between", async () => {
  const dataDir = temporaryFolder()
  const first = await use(redisIn(dataDir), async ({ url, pid }) => {
    await inRedis(url, (redis) => redis.set("key", "kept"))
    return { url, pid: pid() }
  })
  await ended(first.pid)
  await use(redisIn(dataDir), async ({ url, pid }) => {
    expect(pid()).not.toBe(first.pid)
    expect(new URL(url).password).toBe(new URL(first.url).password)
    expect(await inRedis(url, (redis) => redis.get("key"))).toBe("kept")
  })
})

test("Redis is durable, never evicts, is bounded, and answers on the loopback to its password only", async () => {
  const dataDir = temporaryFolder()
  const options = { dataDir, fsync: "always", maxMemoryBytes: 300 * 1024 * 1024 } as const
  await use(embeddedRedis(options), async ({ url, port }) => {
    const settings = await inRedis(url, (redis) =>
      redis.config("GET", "appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "save", "bind"),
    )
    expect(Object.fromEntries(pairs(settings as ReadonlyArray<string>))).toEqual({
      appendonly: "yes",
      appendfsync: "always",
      maxmemory: String(options.maxMemoryBytes),
      "maxmemory-policy": "noeviction",
      save: "",
      bind: "127.0.0.1",
    })
    await expect(inRedis(`redis://127.0.0.1:${port}`, (redis) => redis.ping())).rejects.toThrow(/NOAUTH/)
  })
  for (const secret of ["redis.password", "redis/redis.conf", "redis.json"])
    expect(statSync(join(dataDir, secret)).mode & 0o077).toBe(0)
})

test("PostgreSQL keeps its data and its password over a restart, and nothing of it runs in between", async () => {
  const dataDir = temporaryFolder()
  const first = await use(embeddedPostgres({ dataDir }), async ({ url, pid }) => {
    await inPostgres(url, note)
    return { url, pid: pid() }
  })
  await ended(first.pid)
  await use(embeddedPostgres({ dataDir }), async ({ url }) => {
    expect(new URL(url).password).toBe(new URL(first.url).password)
    expect(await inPostgres(url, noted)).toEqual(["kept"])
  })
})

test("PostgreSQL is durable, speaks UTF-8 and answers to its password only", async () => {
  const dataDir = temporaryFolder()
  await use(embeddedPostgres({ dataDir }), async ({ url }) => {
    const { rows } = await inPostgres(url, (client) =>
      client.query(`SELECT name, setting FROM pg_settings WHERE name IN
        ('fsync', 'synchronous_commit', 'full_page_writes', 'server_encoding', 'jit', 'listen_addresses')`),
    )
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: "on",
      synchronous_commit: "on",
      full_page_writes: "on",
      server_encoding: "UTF8",
      jit: "off",
      listen_addresses: "127.0.0.1",
    })
    const wrong = new URL(url)
    wrong.password = "wrong"
    await expect(inPostgres(wrong.href, noted)).rejects.toThrow(/password authentication failed/)
  })
  expect(statSync(join(dataDir, "postgres.password")).mode & 0o077).toBe(0)
})

test(
  "PostgreSQL runs for root in a place that only root can reach",
  wants(process.getuid?.() === 0, "root"),
  async () => {
    const closed = temporaryFolder()
    chmodSync(closed, 0o700)
    const dataDir = join(closed, "data")
    mkdirSync(dataDir, { mode: 0o700 })
    for (const start of ["first", "second"])
      await use(embeddedPostgres({ dataDir }), async ({ url, pid }) => {
        expect(statSync(`/proc/${pid()}`).uid).not.toBe(0)
        if (start === "first") await inPostgres(url, note)
        expect(await inPostgres(url, noted)).toEqual(["kept"])
      })
  },
)

test("an initdb that was cut short starts again", async () => {
  const dataDir = temporaryFolder()
  mkdirSync(join(dataDir, "postgres.new"))
  writeFileSync(join(dataDir, "postgres.new", "PG_VERSION"), "18\n")
  await use(embeddedPostgres({ dataDir }), ({ url }) => inPostgres(url, note))
})

test("the stores of a killed program are adopted, with their data", async () => {
  const dataDir = temporaryFolder()
  const owner = await startOwner(dataDir)
  await inRedis(owner.redis, (redis) => redis.set("key", "kept"))
  await inPostgres(owner.postgres, note)
  await owner.kill()
  expect(isAlive(owner.pids.redis)).toBe(true)
  await use(redisIn(dataDir), async ({ url, pid }) => {
    expect({ url, pid: pid() }).toEqual({ url: owner.redis, pid: owner.pids.redis })
    expect(await inRedis(url, (redis) => redis.get("key"))).toBe("kept")
  })
  await use(embeddedPostgres({ dataDir }), async ({ url, pid }) => {
    expect({ url, pid: pid() }).toEqual({ url: owner.postgres, pid: owner.pids.postgres })
    expect(await inPostgres(url, noted)).toEqual(["kept"])
  })
  await ended(owner.pids.redis, owner.pids.postgres)
})

test("a Redis left behind with other settings is replaced, and its data kept", async () => {
  const dataDir = temporaryFolder()
  const owner = await startOwner(dataDir)
  await inRedis(owner.redis, (redis) => redis.set("key", "kept"))
  await owner.kill()
  await use(embeddedRedis({ dataDir, fsync: "always" }), async ({ url, pid }) => {
    expect(pid()).not.toBe(owner.pids.redis)
    expect(await inRedis(url, (redis) => redis.get("key"))).toBe("kept")
    expect(await inRedis(url, (redis) => redis.config("GET", "appendfsync"))).toEqual([
      "appendfsync",
      "always",
    ])
  })
  await use(embeddedPostgres({ dataDir }), async () => undefined)
})

test("a Redis that is killed comes back on its port with its data", async () => {
  const store = await privateRedis({ fsync: "always" })
  await inRedis(store.url, (redis) => redis.set("key", "kept"))
  const before = store.pid()
  store.kill()
  await eventually(async () => {
    expect(await inRedis(store.url, (redis) => redis.get("key"))).toBe("kept")
    expect(store.pid()).not.toBe(before)
  })
})

test("a PostgreSQL that is killed comes back on its port with its data", async () => {
  const store = await privatePostgres()
  await inPostgres(store.url, note)
  const before = store.pid()
  store.kill()
  await eventually(async () => {
    expect(await inPostgres(store.url, noted)).toEqual(["kept"])
    expect(store.pid()).not.toBe(before)
  })
})

test("a store that cannot start says what its log says", async () => {
  const dataDir = temporaryFolder()
  await use(redisIn(dataDir), async ({ url }) => inRedis(url, (redis) => redis.set("key", "kept")))
  writeFileSync(join(dataDir, "redis/appendonlydir/appendonly.aof.manifest"), "not a manifest\n")
  const error = await run(Effect.scoped(Effect.flip(redisIn(dataDir))))
  expect(error.message).toMatch(/^The embedded Redis did not start: its process \d+ ended during the start\./)
  expect(error.message).toMatch(/Invalid AOF manifest file format/)
})

test("a data directory in use by a live process is refused, naming it", async () => {
  const dataDir = temporaryFolder()
  const owner = await startOwner(dataDir)
  const lock = run(Effect.scoped(lockDataDir(dataDir)))
  await expect(lock).rejects.toThrow(new RegExp(`DATA_DIR ".*" is in use by process ${owner.pid};`))
})

test("the lock of a killed process, or of another one with its id since, is taken over", async () => {
  const dataDir = temporaryFolder()
  const path = join(dataDir, "lock")
  for (const stale of [{ pid: 2 ** 22 + 1, startedAt: "1" }, { pid: process.pid, startedAt: "1" }, "torn"]) {
    writeFileSync(path, typeof stale === "string" ? stale : JSON.stringify(stale))
    await run(
      Effect.scoped(
        Effect.flatMap(lockDataDir(dataDir), () =>
          Effect.sync(() =>
            expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ pid: process.pid }),
          ),
        ),
      ),
    )
    expect(() => readFileSync(path)).toThrow(/ENOENT/)
  }
})

test("a released data directory can be locked again", async () => {
  const dataDir = join(temporaryFolder(), "new", "folder")
  const scope = openScope()
  await scope.run(lockDataDir(dataDir))
  await expect(run(Effect.scoped(lockDataDir(dataDir)))).rejects.toThrow(/in use/)
  await scope.close()
  await run(Effect.scoped(lockDataDir(dataDir)))
})

const pairs = (flat: ReadonlyArray<string>): Array<[string, string]> =>
  flat.flatMap((key, index) => (index % 2 === 0 ? [[key, flat[index + 1] ?? ""] as [string, string]] : []))
