/** Every way in which two deployments can meet in one Redis, and what they are told. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import pg from "pg"
import { describe, expect, onTestFinished, test } from "vitest"
import { rebuild } from "../../src/commands/rebuild.ts"
import { type CommandStores, withStores } from "../../src/commands/stores.ts"
import type { AppConfig } from "../../src/config/settings.ts"
import { deploymentKey, streamKeys } from "../../src/stores/redisKeys.ts"
import { makePartitionLog } from "../../src/stream/partitionLog.ts"
import { now } from "../support/clock.ts"
import { freshDeployment } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { eventually, freshDatabase, privateRedis } from "../support/index.ts"
import { runNode, settings } from "../support/node.ts"

const command = <A, E>(
  config: AppConfig,
  body: (stores: CommandStores) => Effect.Effect<A, E, Scope.Scope>,
) => run(Effect.scoped(Effect.flatMap(withStores(config), body)))

const rebuildCommand = (config: AppConfig, adoptRedis: boolean) =>
  command(config, (stores) => rebuild(config, stores, { partitions: null, timeZone: null, adoptRedis }, now))

const redisOf = ({ redisUrl }: { readonly redisUrl: string }) => {
  const redis = new Redis(redisUrl)
  onTestFinished(() => redis.disconnect())
  return redis
}

type Node = Awaited<ReturnType<typeof runNode>>

const count = async (node: Node, events: number) => {
  for (let i = 0; i < events; i++)
    expect(await node.post({ event_type: "page_view", visitor_id: randomUUID() })).toBe(201)
}

const counted = (node: Node, events: number) =>
  eventually(async () => expect(await node.data("stats")).toMatchObject({ total_events: events }))

/** A copy of a database, as a dump restored elsewhere is one. Nobody may be connected to the original. */
const copyOf = async (databaseUrl: string): Promise<string> => {
  const copy = new URL(await freshDatabase())
  const admin = new URL(databaseUrl)
  admin.pathname = "/postgres"
  const client = new pg.Client({ connectionString: admin.href })
  await client.connect()
  try {
    const [from, to] = [new URL(databaseUrl).pathname.slice(1), copy.pathname.slice(1)]
    await client.query(`DROP DATABASE ${to}`)
    // What the node has left may still be on its way out.
    await eventually(() => client.query(`CREATE DATABASE ${to} TEMPLATE ${from}`))
  } finally {
    await client.end()
  }
  return copy.href
}

describe("a node whose Redis has the events and figures of another database", () => {
  test("refuses to start, names that database, and leaves all events to it", async () => {
    const production = await settings()
    const node = await runNode(production)
    await count(node, 3)
    const staging = { ...production, databaseUrl: await freshDatabase() }
    const refusal = await runNode(staging).catch((error: unknown) => String(error))
    expect(refusal).toContain(`another database (${new URL(production.databaseUrl).pathname.slice(1)} on `)
    expect(refusal).toContain(`under the prefix ${production.redisKeyPrefix}: set another REDIS_KEY_PREFIX`)
    expect(refusal).toContain("`npm start -- rebuild --adopt-redis`")
    await expect(rebuildCommand(staging, false)).rejects.toThrow(/another database/)
    await count(node, 3)
    await counted(node, 6)
  })

  test("is refused by each partition, too, whatever the start has found", async () => {
    const deployment = await freshDeployment()
    const other = await freshDeployment()
    const { prefix, redis, metrics } = deployment
    const log = makePartitionLog({ prefix, partition: 0, redis, reader: redis, replicas: 0, metrics })
    await redis.set(streamKeys(prefix, 0).lease, "token")
    await run(log.takeOver("token", await run(deployment.writer.acquireEpoch(0))))
    for (let i = 0; i < 5; i++) await run(other.writer.acquireEpoch(0))
    const refused = await run(Effect.flip(log.takeOver("token", await run(other.writer.acquireEpoch(0)))))
    expect(refused).toMatchObject({ code: "FOREIGN", unavailable: false })
    expect(await redis.hget(streamKeys(prefix, 0).state, "epoch")).toBe("1")
  })

  test("refuses to start as well when an earlier version has left no id there", async () => {
    const production = await settings()
    const node = await runNode(production)
    await count(node, 3)
    await counted(node, 3)
    await node.stop()
    const redis = redisOf(production)
    await redis.del(deploymentKey(production.redisKeyPrefix))
    for (const partition of [0, 1])
      await redis.hdel(streamKeys(production.redisKeyPrefix, partition).state, "deployment")
    const staging = { ...production, databaseUrl: await freshDatabase() }
    await expect(runNode(staging)).rejects.toThrow(/another database under the prefix/)
    // Its own is adopted without a word.
    const again = await runNode(production)
    await count(again, 1)
    await counted(again, 4)
    expect(await redis.hget(deploymentKey(production.redisKeyPrefix), "id")).toMatch(/^[0-9a-f-]{36}$/)
  })
})

test("a copy of the database is told from the original while nodes of that run, and not afterwards", async () => {
  const production = await settings()
  const before = await runNode(production)
  await count(before, 3)
  await counted(before, 3)
  await before.stop()
  const copy = { ...production, databaseUrl: await copyOf(production.databaseUrl) }
  const node = await runNode(production)
  await expect(runNode(copy)).rejects.toThrow(/A node that writes to a copy of this database/)
  await expect(rebuildCommand(copy, false)).rejects.toThrow(/A node that writes to a copy/)
  await count(node, 1)
  await counted(node, 4)
  await node.stop()
  // As after a restore, or a move to another server.
  const moved = await runNode(copy)
  await count(moved, 1)
  await counted(moved, 5)
})

test("no node starts on another Redis, or under another prefix, while nodes of its database run", async () => {
  const [first, second] = [await privateRedis(), await privateRedis()]
  const config = await settings({ redisUrl: first.url })
  const node = await runNode(config)
  await count(node, 3)
  await counted(node, 3)
  const others = [
    { ...config, redisUrl: second.url },
    { ...config, redisKeyPrefix: `${config.redisKeyPrefix}2` },
  ]
  await Promise.all(
    others.map((other) =>
      expect(runNode(other)).rejects.toThrow(
        /run on another Redis, or under another REDIS_KEY_PREFIX: stop every one of them/,
      ),
    ),
  )
  await count(node, 1)
  await counted(node, 4)
  // One that has lost everything is still theirs.
  await redisOf(config).flushall()
  const beside = await runNode(config)
  await counted(beside, 4)
  await node.stop()
  await beside.stop()
  for (const other of others) {
    const moved = await runNode(other)
    await counted(moved, 4)
    await moved.stop()
  }
})

test("a Redis is given to another database by an explicit rebuild, with the events that wait in it", async () => {
  const old = await settings()
  const node = await runNode(old)
  await count(node, 3)
  await counted(node, 3)
  const next = { ...old, databaseUrl: await freshDatabase() }
  await expect(rebuildCommand(next, true)).rejects.toThrow(/1 node\(s\) run: stop every node first/)
  await node.stop()
  const front = await runNode({ ...old, roles: ["http"] })
  await count(front, 2)
  await front.stop()
  await rebuildCommand(next, true)
  const successor = await runNode(next)
  await counted(successor, 2)
  await expect(runNode(old)).rejects.toThrow(/another database/)
})

test("deployments under one prefix in two databases of a Redis hear nothing of each other", async () => {
  const redis = await privateRedis()
  const configs = await Promise.all(
    [0, 1].map(async (number) => ({
      ...(await settings({ redisUrl: new URL(`/${number}`, redis.url).href })),
      redisKeyPrefix: "maicivy",
    })),
  )
  const nodes = await Promise.all(
    configs.map(async (config) => {
      const node = await runNode(config)
      const heard: Array<string> = []
      const socket = new WebSocket(`${node.base.replace("http", "ws")}/ws/analytics`)
      socket.onmessage = ({ data }) => heard.push(JSON.parse(String(data)).type)
      onTestFinished(() => socket.close())
      await eventually(() => expect(heard).toContain("initial_stats"))
      return { node, heard }
    }),
  )
  for (const [i, { node }] of nodes.entries()) expect(await node.post({ event_type: `of.${i}` })).toBe(201)
  for (const [i, { node, heard }] of nodes.entries()) {
    await eventually(() => expect(heard).toContain(`of.${i}`))
    await counted(node, 1)
  }
  // The other's was published before its own last one was heard, or comes before this.
  for (const [i, { node }] of nodes.entries())
    expect(await node.post({ event_type: `last.of.${i}` })).toBe(201)
  for (const [i, { heard }] of nodes.entries()) {
    await eventually(() => expect(heard).toContain(`last.of.${i}`))
    expect(heard).not.toContain(`of.${1 - i}`)
  }
})

test("prefixes that begin alike share nothing: each rebuild leaves the others' figures alone", async () => {
  const first = await settings()
  const configs = await Promise.all(
    ["", ".", "-b", "_", "0"].map(async (end) => ({
      ...first,
      redisKeyPrefix: first.redisKeyPrefix + end,
      databaseUrl: end === "" ? first.databaseUrl : await freshDatabase(),
    })),
  )
  const nodes = await Promise.all(configs.map((config) => runNode(config)))
  for (const [i, node] of nodes.entries()) await count(node, i + 1)
  for (const [i, node] of nodes.entries()) await counted(node, i + 1)
  for (const config of configs) await rebuildCommand(config, false)
  for (const [i, node] of nodes.entries()) await counted(node, i + 1)
})
