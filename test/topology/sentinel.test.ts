/** A master that Sentinels watch: clients follow it through failovers, by hand and by death. */
import * as Effect from "effect/Effect"
import { describe, expect, onTestFinished, test } from "vitest"
import { checkRedis } from "../../src/stores/checkRedis.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { freshDeployment } from "../support/deployment.ts"
import { run, testScope } from "../support/effects.ts"
import { eventually } from "../support/index.ts"
import { RedisSentinel, type SentinelOptions } from "../support/redisSentinel.ts"
import { expectCounted, sending } from "../support/sending.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const started = async (options: Omit<SentinelOptions, "folder">) => {
  const sentinel = await RedisSentinel.start({ folder: temporaryFolder(), ...options })
  onTestFinished(() => sentinel.stop())
  // Or they notice only after a quarter of a minute that the old master is back.
  for (const each of sentinel.sentinels)
    await each.ask((redis) => redis.call("SENTINEL", "DEBUG", "INFO-PERIOD", "1000", "PUBLISH-PERIOD", "500"))
  return sentinel
}

describe("at the start", () => {
  test("the master is found through any Sentinel that responds", async () => {
    const redis = await started({ replicas: 1 })
    const [first, second] = redis.sentinels
    await first?.kill()
    second?.signal("SIGSTOP")
    expect(await run(checkRedis(redis.url))).toMatchObject({ cluster: false })
    const client = await testScope().run(connectRedis({ url: redis.url, cluster: false }, "command", "test"))
    await run(awaitReady(client))
    expect(await client.role()).toEqual(expect.arrayContaining(["master"]))
  })

  test("the Sentinels' own password is a parameter", async () => {
    const password = "watch/dog"
    const redis = await started({
      ...{ replicas: 0, sentinels: 1, client: { password } },
      settings: ["--requirepass", password],
      sentinelSettings: ["--requirepass", password, "--sentinel", "auth-pass", "main", password],
    })
    const secret = encodeURIComponent(password)
    const withPassword = redis.url.replace("://", `://:${secret}@`)
    const { message } = await run(Effect.flip(checkRedis(withPassword)))
    expect(message).toMatch(/asks for a password: add \?sentinel_password=/)
    const url = `${withPassword}?sentinel_password=${secret}`
    await run(checkRedis(url))
    const client = await testScope().run(connectRedis({ url, cluster: false }, "command", "test"))
    await run(awaitReady(client))
    expect(await client.ping()).toBe("PONG")
  })

  test("a URL that takes a Sentinel for a server, a server for a Sentinel, or has a wrong name is refused", async () => {
    const redis = await started({ replicas: 0, sentinels: 1 })
    const [sentinel] = redis.sentinels
    const [server] = redis.servers
    const refusal = async (url: string) => (await run(Effect.flip(checkRedis(url)))).message
    expect(await refusal(sentinel?.url ?? "")).toContain(`it is a Sentinel: write ${redis.url},`)
    expect(await refusal(`redis+sentinel://127.0.0.1:${server?.port}/main`)).toContain("it is no Sentinel")
    expect(await refusal(redis.url.replace("/main", "/other"))).toContain("no master by the name other")
  })
})

test("an event is counted once through failovers, by hand and by death", async () => {
  const redis = await started({ replicas: 1 })
  const deployment = await freshDeployment({ redisUrl: redis.url, ackReplicas: 1 })
  deployment.startNode()
  const senders = sending(deployment)
  await senders.goesOn()
  await redis.failOver()
  await senders.goesOn()
  await redis.whole()
  const killed = await redis.master()
  await killed.kill()
  await eventually(async () => expect(await redis.master()).not.toBe(killed))
  // It is the new master's only replica, without which nothing is acknowledged.
  await killed.start()
  await senders.goesOn()
  await expectCounted(deployment, await senders.stop())
})
