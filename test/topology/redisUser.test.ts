/** A user of Redis with the documented rights: they are enough for everything, and none is too many. */
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import { describe, expect, onTestFinished, test } from "vitest"
import { marked } from "../../scripts/marked.ts"
import { verifyBackup } from "../../src/backup/verify.ts"
import { backUp, restore } from "../../src/commands/backup.ts"
import { dropLetter, listLetters, replayLetters } from "../../src/commands/deadLetters.ts"
import { rebuild } from "../../src/commands/rebuild.ts"
import { retain } from "../../src/commands/retention.ts"
import { type CommandStores, withStores } from "../../src/commands/stores.ts"
import type { AppConfig } from "../../src/config/settings.ts"
import { MAX_THEMES } from "../../src/domain/limits.ts"
import { Calendar } from "../../src/domain/period.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { checkRedis, type Expectations } from "../../src/stores/checkRedis.ts"
import { awaitReady, connectRedis, rewriteAppendOnlyFile } from "../../src/stores/redis.ts"
import { figureKeys, streamKeys } from "../../src/stores/redisKeys.ts"
import { examine } from "../../src/tools/doctor/index.ts"
import { now } from "../support/clock.ts"
import { freshDeployment } from "../support/deployment.ts"
import { codes, read } from "../support/documents.ts"
import { run, testScope } from "../support/effects.ts"
import { eventually, freshDatabase, privatePostgres } from "../support/index.ts"
import { runNode, settings, TOKEN } from "../support/node.ts"
import { RedisCluster } from "../support/redisCluster.ts"
import { RedisServer } from "../support/redisServer.ts"
import { expectCounted, sending } from "../support/sending.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const documented = marked(read("docs/operations.md"), "redis-user")

/** Rules of the line for every deployment. */
const rules = (/^ACL SETUSER maicivy on >secret (.*)$/m.exec(documented)?.[1] ?? "").split(" ")

const command = <A, E>(
  config: AppConfig,
  body: (stores: CommandStores) => Effect.Effect<A, E, Scope.Scope>,
) => run(Effect.scoped(Effect.flatMap(withStores(config), body)))

/** A server with the user, who is told what it may. */
const started = async () => {
  const server = await RedisServer.start({ folder: temporaryFolder() })
  onTestFinished(() => server.kill())
  const url = server.url.replace("redis://", "redis://maicivy:secret@")
  const grant = (...granted: ReadonlyArray<string>) =>
    server.ask((redis) => redis.call("ACL", "SETUSER", "maicivy", "reset", "on", ">secret", ...granted))
  return { server, url, grant }
}

/** Sends an event until it is acknowledged, which a busy disk may keep Redis from at first. */
const isTaken = (node: Awaited<ReturnType<typeof runNode>>, event: object) => {
  const body = { ...event, id: randomUUID() }
  return eventually(async () => expect(await node.post(body)).toBe(201))
}

const refusal = async (url: string, expectations: Expectations = { prefix: "maicivy" }) =>
  (await run(Effect.flip(checkRedis(url, expectations)))).message

/** Commands that the server has run, as ACL rules call them. */
const commandsRun = (server: RedisServer) =>
  server.ask(async (redis) => {
    const stats = await redis.info("commandstats")
    return new Set([...stats.matchAll(/^cmdstat_([^:]+):calls=[1-9]/gm)].map(([, name]) => name ?? ""))
  })

/** What was refused to the user. READONLY, which the client sends to a cluster's replicas, is so without harm. */
const refusals = (server: RedisServer) =>
  server.ask(async (redis) => {
    const log = await redis.call("ACL", "LOG")
    const entries = (Array.isArray(log) ? log : []).map((entry: unknown) => String(entry))
    return entries.filter((entry) => !entry.includes("object,readonly,"))
  })

test("everything is done with the documented rights, and each of them is used", async () => {
  const { server, url, grant } = await started()
  await grant(...rules)
  const { url: databaseUrl } = await privatePostgres()
  const config = await settings({ redisUrl: url, databaseUrl, redisKeyPrefix: "maicivy" })
  const visitor = randomUUID()
  const view = (daysAgo: number) => ({
    ...{ event_type: "page_view", page_url: "/cv", visitor_id: visitor },
    timestamp: now() - daysAgo * DAY_MS,
  })

  // More themes than fit are looked up before they are counted.
  const themes = Array.from({ length: MAX_THEMES }, (_, i) => [1, `theme${i}`]).flat()
  for (const partition of [0, 1])
    await server.ask((redis) => redis.zadd(figureKeys("maicivy", partition, "main").themes, ...themes))
  const node = await runNode(config)
  const frames: Array<{ type: string }> = []
  const socket = new WebSocket(`${node.base.replace("http", "ws")}/ws/analytics`)
  socket.onmessage = ({ data }) => frames.push(JSON.parse(String(data)))
  onTestFinished(() => socket.close())
  await eventually(() => expect(frames[0]?.type).toBe("initial_stats"))

  for (const event of [
    ...[0, 1, 5, 6].map(view),
    { event_type: "cv_theme_change", event_data: { theme: "dark" } },
    { event_type: "letter_generate", event_data: { letter_type: "motivation" } },
  ])
    await isTaken(node, event)
  await eventually(async () => expect(await node.data("timeline")).toHaveLength(6))
  await eventually(() => expect(frames.map(({ type }) => type)).toContain("page_view"))
  for (const path of ["realtime", "stats", "themes", "letters", "heatmap", "export/themes?format=json"])
    expect((await node.get(`/api/v1/analytics/${path}`)).status).toBe(200)
  expect((await node.get("/ready")).status).toBe(200)
  expect((await node.get("/metrics")).text).toContain("maicivy_visitors_total")
  const findings = await Effect.runPromise(
    examine({
      deployment: { url: node.base, timeoutMs: 60_000, adminToken: TOKEN, writeKey: null },
      ...{ site: null, readOnly: false, metricsPrefix: "maicivy_", now },
      stores: { redisUrl: url, databaseUrl: config.databaseUrl, redis: { prefix: "maicivy" } },
    }),
  )
  expect(findings.filter(({ state }) => state === "failed")).toEqual([])

  // An entry that is no event is set aside.
  await server.ask((redis) => redis.xadd(streamKeys("maicivy", 0).events, "*", "e", "no event"))
  const letter = await eventually(async () => {
    const [first] = await server.ask((redis) => redis.xrange(streamKeys("maicivy", 0).dead, "-", "+"))
    if (first === undefined) throw new Error("there is no dead letter yet")
    return { partition: 0, id: first[0] }
  })
  await run(Effect.scoped(listLetters(config, { limit: 10, json: true })))
  await run(Effect.scoped(replayLetters(config, letter)))
  await run(
    Effect.scoped(
      dropLetter(
        config,
        await eventually(async () => {
          const [first] = await server.ask((redis) => redis.xrange(streamKeys("maicivy", 0).dead, "-", "+"))
          if (first === undefined) throw new Error("there is no dead letter yet")
          return { partition: 0, id: first[0] }
        }),
      ),
    ),
  )

  const asItIs = { partitions: null, timeZone: null, adoptRedis: false }
  await command(config, (stores) =>
    retain(config, stores, { dryRun: false, yes: true, dropTables: true, retentionDays: 3 }, now),
  )
  await command(config, (stores) => rebuild(config, stores, asItIs, now))
  const folder = join(temporaryFolder(), "backup")
  await command(config, (stores) => backUp(config, stores, folder, now))
  expect((await node.admin("DELETE", visitor)).status).toBe(200)

  // A Redis that has lost everything is filled again from Postgres.
  await server.ask((redis) => redis.flushall())
  const today = new Calendar(config.timeZone).dayOf(now())
  const keys = [0, 1].map((partition) => figureKeys("maicivy", partition, "main").period(today).totals)
  await eventually(async () => {
    const counts = await server.ask((redis) => Promise.all(keys.map((key) => redis.hget(key, "events"))))
    expect(counts.reduce((sum, count) => sum + Number(count), 0)).toBe(4)
  })
  await eventually(async () => expect(await node.data("stats")).toMatchObject({ total_events: 4 }))
  await node.stop()
  await command(config, (stores) => rebuild(config, stores, { ...asItIs, adoptRedis: true }, now))
  await command(config, (stores) => rebuild(config, stores, { ...asItIs, partitions: 1 }, now))
  await server.ask((redis) => redis.flushall())
  const restored = { ...config, databaseUrl: await freshDatabase() }
  const manifest = await run(verifyBackup(folder))
  await command(restored, (stores) =>
    restore(restored, stores, { folder, manifest, partitions: null, timeZone: null, erasures: null }, now),
  )

  expect(await refusals(server)).toEqual([])
  const used = await commandsRun(server)
  const granted = rules.filter((rule) => rule.startsWith("+")).map((rule) => rule.slice(1))
  expect(granted.filter((name) => !used.has(name))).toEqual([])
})

/** What a node does without, and what it says at the start. */
const OPTIONAL: { readonly [rule: string]: RegExp | null } = {
  "+info": /does not tell this user its maxmemory-policy/,
  "+config|get": /does not tell this user its appendfsync/,
  "+bgrewriteaof": /BGREWRITEAOF/,
  "+client|setname": null,
  // Only some backups need it.
  "+smembers": null,
}

describe("a right that is missing is told at the start:", () => {
  test("of all that are needed", async () => {
    const { url, grant } = await started()
    for (const rule of rules.filter((each) => !(each in OPTIONAL))) {
      await grant(...rules.filter((each) => each !== rule))
      // Without eval or evalsha nothing can be asked: Redis names them itself.
      const name = rule.slice(1)
      expect(await refusal(url)).toSatisfy(
        (message: string) =>
          message.includes(`"ACL SETUSER maicivy ${rule}" grants`) || message.includes(`'${name}' command`),
      )
    }
    await grant(...rules.filter((rule) => !["+pfadd", "&analytics:realtime"].includes(rule)))
    expect(await refusal(url)).toContain('ACL SETUSER maicivy +pfadd &analytics:realtime" grants')
  })

  test("of those without which a node works, too, in a warning", async () => {
    const { url, grant } = await started()
    for (const [rule, words] of Object.entries(OPTIONAL)) {
      await grant(...rules.filter((each) => each !== rule))
      const { warnings } = await run(checkRedis(url, { prefix: "maicivy" }))
      const own = warnings.filter(({ text }) => words?.test(text))
      expect(own.map(({ grave }) => grave)).toEqual(words === null ? [] : [false])
    }
  })

  test("of those that only some deployments need", async () => {
    const { url, grant } = await started()
    await grant(...rules)
    await run(checkRedis(url, { prefix: "maicivy" }))
    expect(await refusal(url, { prefix: "maicivy", replicas: 1 })).toContain("ACL SETUSER maicivy +wait")
    expect(await refusal(`${url}/1`)).toContain("select")
    await grant(...rules, "+select", "+wait")
    await run(checkRedis(`${url}/1`, { prefix: "maicivy", replicas: 1 }))
    expect(await refusal(`${url}/99`)).toContain("DB index is out of range")
    expect(await refusal(url, { prefix: "other" })).toMatch(
      /~other:\* ~other~rebuild:\* &other:analytics:realtime/,
    )
  })
})

test("a channel that is taken away and given back shows live events again, without a restart", async () => {
  const { server, url, grant } = await started()
  await grant(...rules)
  const node = await runNode(await settings({ redisUrl: url, redisKeyPrefix: "maicivy" }))
  const seen = new Set<string>()
  const socket = new WebSocket(`${node.base.replace("http", "ws")}/ws/analytics`)
  socket.onmessage = ({ data }) => seen.add(JSON.parse(String(data)).type)
  onTestFinished(() => socket.close())
  await eventually(() => expect(seen).toContain("initial_stats"))
  const without = rules.filter((rule) => !rule.startsWith("&"))
  const set = (...granted: ReadonlyArray<string>) =>
    server.ask((redis) => redis.call("ACL", "SETUSER", "maicivy", ...granted))
  await set("resetchannels", ...without)
  await eventually(async () => expect(await refusals(server)).not.toEqual([]))
  await set("&analytics:realtime")
  await eventually(async () => {
    await node.post({ event_type: "back" })
    expect(seen).toContain("back")
  })
})

test("a managed Redis that has renamed or forbidden commands will do, with a line for each at the start only", async () => {
  const server = await RedisServer.start({
    folder: temporaryFolder(),
    settings: ["config", "info", "bgrewriteaof"].flatMap((name) => ["--rename-command", name, ""]),
  })
  onTestFinished(() => server.kill())
  const { warnings } = await run(checkRedis(server.url, { prefix: "maicivy" }))
  expect(warnings.map(({ text }) => text)).toEqual([
    expect.stringContaining(
      "maxmemory-policy (it should be noeviction), appendonly (yes), appendfsync (always)",
    ),
    expect.stringContaining("BGREWRITEAOF"),
  ])
  const node = await runNode(await settings({ redisUrl: server.url }))
  const visitor = randomUUID()
  await isTaken(node, { event_type: "page_view", visitor_id: visitor })
  await eventually(async () => expect(await node.data("timeline")).toHaveLength(1))
  expect((await node.admin("DELETE", visitor)).status).toBe(200)

  const lines: Array<unknown> = []
  const redis = await testScope().run(connectRedis({ url: server.url, cluster: false }, "command", "test"))
  await run(awaitReady(redis))
  await Effect.runPromise(
    rewriteAppendOnlyFile(redis, new Metrics("test_")).pipe(
      Effect.provide(Logger.layer([Logger.make(({ message }) => lines.push(message))])),
    ),
  )
  expect(lines).toEqual([])
})

test("on a cluster, the rights to add are enough while slots move, and each of them is used", async () => {
  const added = codes(documented)
    .flatMap((code) => code.replaceAll("\\|", "|").split(" "))
    .filter((word) => word.startsWith("+") && word !== "+select")
  const commands = rules.filter((rule) => rule.startsWith("+"))
  const cluster = await RedisCluster.start({
    folder: temporaryFolder(),
    settings: ["--user", "maicivy", "on", ">secret", "~*", "&*", ...commands, ...added],
  })
  onTestFinished(() => cluster.stop())
  const deployment = await freshDeployment({
    redisUrl: cluster.servers[0]?.url.replace("redis://", "redis://maicivy:secret@") ?? "",
    ...{ cluster: true, ackReplicas: 1 },
  })
  await run(checkRedis(deployment.redisSettings.url, { prefix: deployment.prefix, replicas: 1 }))
  deployment.startNode()
  const senders = sending(deployment)
  await senders.goesOn()
  const slot = await cluster.slotOf(streamKeys(deployment.prefix, 0).events)
  const from = await cluster.masterOf(slot)
  const [to] = (await cluster.masters()).filter((master) => master !== from)
  if (to === undefined) throw new Error("there is one master only")
  const used = async () =>
    (await Promise.all(cluster.servers.map(commandsRun))).flatMap((names) =>
      [...names].map((name) => `+${name}`),
    )
  await cluster.openSlot(slot, from, to)
  while ((await cluster.moveKeys(slot, from, to, 100)) > 0);
  await eventually(async () => expect(await used()).toContain("+asking"))
  await cluster.moveSlot(slot, to)
  await senders.goesOn()
  await expectCounted(deployment, await senders.stop())
  expect((await Promise.all(cluster.servers.map(refusals))).flat()).toEqual([])
  expect(await used()).toEqual(expect.arrayContaining(added))
})
