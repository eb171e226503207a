import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { describe, expect, onTestFinished, test } from "vitest"
import { parseRedisUrl } from "../../src/config/redisUrl.ts"
import { loadConfig } from "../../src/config/settings.ts"
import { Expected } from "../../src/config/values.ts"
import { checkRedis } from "../../src/stores/checkRedis.ts"
import { judgeRedis } from "../../src/stores/judgeRedis.ts"
import { run } from "../support/effects.ts"
import { privateRedis, temporaryFolder } from "../support/index.ts"
import { RedisServer } from "../support/redisServer.ts"

const info = (fields: Record<string, string>) =>
  Object.entries(fields)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join("")

const SERVER = { host: "10.0.0.5", port: 6379 }

const judge = (fields: Record<string, string>, text = "redis://:secret@10.0.0.5", ackReplicas = 0) => {
  const url = parseRedisUrl(text)
  if (url instanceof Expected) throw new Error(url.what)
  const introduction = { info: info(fields), appendfsync: "always", aofLoadTruncated: "no" }
  return judgeRedis(introduction, SERVER, url, false, ackReplicas)
}

const good = { redis_version: "7.4.1", maxmemory_policy: "noeviction", aof_enabled: "1", role: "master" }

describe("a Redis", () => {
  test.each([
    [{ ...good, redis_version: "6.2.14" }, "redis 6.2.14"],
    [{ ...good, redis_version: "7.2.4", valkey_version: "7.2.9" }, "valkey 7.2.9"],
    [
      { ...good, role: "slave", master_host: "10.0.0.6" },
      "a replica and takes no events: name its master, 10.0.0.6",
    ],
    [
      { ...good, redis_mode: "sentinel", master0: "name=main,status=ok" },
      "a Sentinel: write redis+sentinel://10.0.0.5:6379/main",
    ],
  ])("that cannot be used is refused: %o", (fields, named) => {
    expect(judge(fields)).toEqual(expect.stringContaining(named))
  })

  test.each([
    [good, "redis 7.4.1"],
    [{ ...good, redis_version: "7.2.4", valkey_version: "8.1.1" }, "valkey 8.1.1"],
  ])("that will do is named: %o", (fields, server) => {
    expect(judge(fields)).toEqual({ cluster: false, server, warnings: [], hints: [] })
  })

  test("that evicts or keeps nothing is warned of", () => {
    const judged = judge({ ...good, maxmemory_policy: "allkeys-lru", aof_enabled: "0" })
    expect(judged).toMatchObject({
      warnings: [
        { text: expect.stringContaining("allkeys-lru"), grave: true },
        { text: expect.stringContaining("appendonly yes"), grave: true },
      ],
    })
  })

  test.each([
    [0, 2, null],
    [1, 1, null],
    [2, 2, null],
    [1, 2, "set ACK_REPLICAS 2"],
    [2, 3, "set ACK_REPLICAS 3"],
  ])("of which %i of %i replicas acknowledge is judged by that: %s", (ackReplicas, replicas, advice) => {
    const judged = judge({ ...good, connected_slaves: String(replicas) }, undefined, ackReplicas)
    const warnings = advice === null ? [] : [{ text: expect.stringContaining(advice), grave: false }]
    expect(judged).toMatchObject({ warnings })
  })

  test.each(["always", "everysec"] as const)("that flushes %s is judged by that", async (fsync) => {
    const redis = await privateRedis({ fsync })
    const { warnings } = await run(checkRedis(redis.url))
    expect(warnings.some(({ text, grave }) => text.includes("everysec") && !grave)).toBe(fsync === "everysec")
  })

  test.each(["redis_mode", "server_mode"])("that is a cluster's node may be a replica: %s", (mode) => {
    const judged = judge({ ...good, [mode]: "cluster", role: "slave" }, "redis://10.0.0.4,10.0.0.5")
    expect(judged).toMatchObject({ cluster: true, warnings: [] })
  })

  test("that is one of several and no cluster's node is refused", () => {
    expect(judge(good, "redis://:secret@10.0.0.4,10.0.0.5:6379")).toMatch(/^it is no node of a cluster/)
  })

  test("that tells nothing about its settings is named once in a warning that says what they should be", () => {
    const judged = judge({ redis_version: "7.4.1", redis_mode: "standalone", role: "master" })
    expect(judged).toMatchObject({
      warnings: [{ text: expect.stringContaining("noeviction), appendonly (yes): make sure"), grave: false }],
    })
  })

  test("takes a password as the URL has it, or as the setting has it, or says how to write it", async () => {
    const server = await RedisServer.start({ folder: temporaryFolder() })
    onTestFinished(() => server.kill())
    const passwords = [..."@:/#?%&=+ ,;'\"\\$ü"].map((character) => `a${character}b`)
    await server.ask((redis) =>
      redis.call("ACL", "SETUSER", "default", "resetpass", ...passwords.map((each) => `>${each}`)),
    )
    const { host, port } = server
    const started = (env: Record<string, string>) =>
      run(
        loadConfig.pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))),
          Effect.flatMap(({ redisUrl }) => checkRedis(redisUrl ?? "")),
          Effect.match({ onFailure: ({ message }) => message, onSuccess: () => "started" }),
        ),
      )
    for (const password of passwords) {
      const told = await started({ REDIS_URL: `redis://:${password}@${host}:${port}` })
      if (/[/#?%]/.test(password))
        expect(told).toMatch(/^REDIS_URL has a value .* encode @ : .* set REDIS_PASSWORD to it as it is\.$/)
      else expect({ password, told }).toEqual({ password, told: "started" })
      expect(told).not.toContain(password)
      expect(await started({ REDIS_URL: server.url, REDIS_PASSWORD: password })).toBe("started")
    }
    // What cannot be told from a code, or from a user.
    for (const wrong of [":a%41b", "a:b"])
      expect(await started({ REDIS_URL: `redis://${wrong}@${host}:${port}` })).toMatch(
        /WRONGPASS.* redis:\/\/:password@host, with %25 for each % in it; REDIS_PASSWORD takes one as it is\)\.$/,
      )
  })

  test("that does not answer is told with the reason of each host", async () => {
    const failure = await run(Effect.flip(checkRedis("redis://:secret@127.0.0.1:1,[::1]:2")))
    expect(failure.message).toMatch(
      /^REDIS_URL redis:\/\/127\.0\.0\.1:1,\[::1\]:2 cannot be used: 127\.0\.0\.1:1: .*ECONNREFUSED.*; \[::1\]:2: .*\.$/,
    )
  })
})
