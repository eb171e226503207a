/** The start and the doctor look at every server of a cluster, and at the replicas of a master that Sentinels watch. */

import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { checkRedis } from "../../src/stores/checkRedis.ts"
import { aclRules } from "../../src/stores/rights.ts"
import { run } from "../support/effects.ts"
import { eventually } from "../support/index.ts"
import { RedisCluster } from "../support/redisCluster.ts"
import { RedisSentinel } from "../support/redisSentinel.ts"
import type { RedisServer } from "../support/redisServer.ts"
import { newFolder, removeFolder, temporaryFolder } from "../support/temporaryFolder.ts"

const folder = newFolder()
const { always, cluster: onCluster } = aclRules("maicivy")
const RULES = `${always} ${onCluster}`.split(" ")
let cluster: RedisCluster

beforeAll(async () => {
  cluster = await RedisCluster.start({
    ...{ folder, nodeTimeoutMs: 120_000 },
    settings: ["--user", "maicivy", "on", ">secret", ...RULES],
  })
  // A cluster lists replicas once it has heard how far they are.
  await eventually(async () => {
    const slots = JSON.stringify(await cluster.servers[0]?.ask((redis) => redis.cluster("SLOTS")))
    for (const { port } of cluster.servers) expect(slots).toContain(`,${port},`)
  })
})

afterAll(async () => {
  await cluster.stop()
  removeFolder(folder)
})

/** A master other than the one that is asked, and a replica. */
const others = () => {
  const [asked, master, , , replica] = cluster.servers
  if (asked === undefined || master === undefined || replica === undefined) throw new Error("too few servers")
  return { asked, master, replica, url: asked.url.replace("redis://", "redis://maicivy:secret@") }
}

const placeOf = ({ host, port }: RedisServer) => `${host}:${port}`

/** Sets something until the test's end. */
const configure = async (server: RedisServer, name: string, value: string) => {
  const set = (to: string) => server.ask((redis) => redis.config("SET", name, to))
  const [, before = ""] = (await server.ask((redis) => redis.config("GET", name))) as ReadonlyArray<string>
  onTestFinished(async () => {
    await set(before)
  })
  await set(value)
}

/** Expects warnings. A server of which a busy machine makes one that does not answer in time is looked at again. */
const expectWarnings = (url: string, expected: ReadonlyArray<object>) =>
  eventually(async () =>
    expect((await run(checkRedis(url, { prefix: "maicivy" }))).warnings).toEqual(expected),
  )

describe("on a cluster", () => {
  test("a setting that endangers data is told, with the server's name unless all of them have it", async () => {
    const { url, master, replica } = others()
    await expectWarnings(url, [])
    await configure(master, "maxmemory-policy", "allkeys-lru")
    await configure(replica, "appendonly", "no")
    for (const server of cluster.servers) await configure(server, "appendfsync", "everysec")
    await expectWarnings(url, [
      { text: expect.stringMatching(/^Redis flushes its append-only file once a second/), grave: false },
      { text: expect.stringContaining(`Redis at ${placeOf(master)} may evict keys`), grave: true },
      {
        text: expect.stringContaining(`Redis at ${placeOf(replica)} keeps no append-only file`),
        grave: true,
      },
    ])
  })

  test("a right that is missing on one server stops the start, with the server's name", async () => {
    const { url, asked, master, replica } = others()
    for (const server of [master, replica])
      await server.ask((redis) => redis.call("ACL", "SETUSER", "maicivy", "-pfadd"))
    onTestFinished(async () => {
      for (const server of [master, replica])
        await server.ask((redis) => redis.call("ACL", "SETUSER", "maicivy", "+pfadd"))
    })
    const sentence = (server: RedisServer) =>
      `${placeOf(server)}: the user maicivy lacks rights, which "ACL SETUSER maicivy +pfadd" grants`
    await eventually(async () => {
      const { message } = await run(Effect.flip(checkRedis(url, { prefix: "maicivy" })))
      expect(message).toContain(sentence(master))
      expect(message).toContain(sentence(replica))
      expect(message).not.toContain(sentence(asked))
    })
  })

  test("a hint for the doctor names the servers that it is about", async () => {
    const { url, master, replica } = others()
    for (const server of cluster.servers)
      if (server !== master && server !== replica) await configure(server, "aof-load-truncated", "no")
    const { hints } = await eventually(async () => {
      const found = await run(checkRedis(url, { prefix: "maicivy" }))
      expect(found.warnings).toEqual([])
      return found
    })
    expect(hints).toMatchObject([{ text: expect.stringContaining("(aof-load-truncated yes)"), grave: false }])
    for (const server of cluster.servers)
      expect(hints[0]?.text.includes(placeOf(server))).toBe(server === master || server === replica)
  })

  test("a server that does not answer is named, and keeps no node from starting", async () => {
    const { url, master, replica } = others()
    await replica.kill()
    master.signal("SIGSTOP")
    onTestFinished(async () => {
      master.signal("SIGCONT")
      await replica.start()
    })
    const texts = await eventually(async () => {
      const { warnings } = await run(checkRedis(url, { prefix: "maicivy" }))
      expect(warnings).toHaveLength(2)
      return warnings.map(({ text }) => text)
    })
    for (const [server, reason] of [
      [master, "no answer within"],
      [replica, "connect ECONNREFUSED"],
    ] as const)
      expect(texts).toContainEqual(
        expect.stringContaining(`Redis at ${placeOf(server)} could not be looked at (${reason}`),
      )
  })
})

test("a replica that Sentinels may make the master is looked at, too", async () => {
  const sentinel = await RedisSentinel.start({ folder: temporaryFolder(), replicas: 1, sentinels: 1 })
  onTestFinished(() => sentinel.stop())
  const [, replica] = sentinel.servers
  if (replica === undefined) throw new Error("there is no replica")
  await expectWarnings(sentinel.url, [])
  await configure(replica, "appendonly", "no")
  await expectWarnings(sentinel.url, [
    { text: expect.stringContaining(`Redis at ${placeOf(replica)} keeps no append-only file`), grave: true },
  ])
})
