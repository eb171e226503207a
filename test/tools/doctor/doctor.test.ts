/** The doctor with deployments that are well, that are not, and that are none. */
import { execFile } from "node:child_process"
import { createServer, type RequestListener } from "node:http"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { describe, expect, onTestFinished, test } from "vitest"
import { streamKeys } from "../../../src/stores/redisKeys.ts"
import { parseExposition } from "../../../src/tools/doctor/exposition.ts"
import {
  type Deployment,
  type Examination,
  examine,
  type Finding,
  report,
} from "../../../src/tools/doctor/index.ts"
import { now } from "../../support/clock.ts"
import { ROOT } from "../../support/documents.ts"
import { eventually, freePort, privatePostgres, privateRedis, temporaryFolder } from "../../support/index.ts"
import { listen } from "../../support/listen.ts"
import { runNode, settings, TOKEN } from "../../support/node.ts"
import { PROGRAM } from "../../support/program.ts"
import { RedisServer } from "../../support/redisServer.ts"
import { serve } from "../../support/server.ts"

const deploymentAt = (url: string, given: Partial<Deployment> = {}): Deployment => ({
  ...{ url, timeoutMs: 60_000, adminToken: null, writeKey: null },
  ...given,
})

const findings = (url: string, given: Partial<Examination> = {}): Promise<ReadonlyArray<Finding>> =>
  Effect.runPromise(
    examine({
      ...{ deployment: deploymentAt(url), site: null, readOnly: false, metricsPrefix: "maicivy_" },
      ...{ stores: { redisUrl: null, databaseUrl: null }, now },
      ...given,
    }),
  )

const states = (all: ReadonlyArray<Finding>) =>
  Object.fromEntries(all.map(({ check, state }) => [check, state]))
const notWell = (all: ReadonlyArray<Finding>) => all.filter(({ state }) => state === "failed")

/** A server of the test's own; resolves to its address. */
const fake = (listener: RequestListener): Promise<string> => listen(createServer(listener))

test("a deployment that is well is found so, and its event leaves one row less with the administration's token", async () => {
  const config = await settings({ databaseUrl: (await privatePostgres()).url })
  const { base, data } = await runNode(config)
  const all = await findings(base, {
    stores: { redisUrl: config.redisUrl, databaseUrl: config.databaseUrl },
  })
  expect(notWell(all)).toEqual([])
  expect(states(all)).toMatchObject({
    ...{ health: "ok", readiness: "ok", clock: "ok", OpenAPI: "ok", endpoints: "ok", WebSocket: "ok" },
    ...{ event: "ok", "event to dashboard": "ok", "event in Postgres": "ok", metrics: "ok" },
    ...{ "dead letters": "ok", processing: "ok", Postgres: "ok" },
  })
  expect(all.find(({ check }) => check === "event to dashboard")?.milliseconds).toBeGreaterThan(0)
  await eventually(async () => expect(await data("timeline")).toMatchObject([{ event_type: "doctor.check" }]))
  const again = await findings(base, { deployment: deploymentAt(base, { adminToken: TOKEN }) })
  expect(notWell(again)).toEqual([])
  await eventually(async () => expect(await data("timeline?limit=3")).toEqual([]))
  await eventually(async () =>
    expect(await data("stats")).toMatchObject({ total_events: 2, unique_visitors: 1 }),
  )
})

test("with read-only no figure changes, and a site is asked by its name", async () => {
  const { base, data } = await runNode(await settings())
  expect(states(await findings(base, { readOnly: true }))).toMatchObject({
    WebSocket: "ok",
    event: "skipped",
  })
  expect(await data("stats")).toMatchObject({ total_events: 0 })
  expect(notWell(await findings(base, { site: "blog" }))).toEqual([])
  await eventually(async () => expect(await data("stats?site=blog")).toMatchObject({ total_events: 1 }))
  expect(await data("stats")).toMatchObject({ total_events: 0 })
})

test("an event that is acknowledged and not processed is found", async () => {
  const { base } = await runNode(await settings({ roles: ["http"] }))
  const all = await findings(base, { deployment: deploymentAt(base, { timeoutMs: 5000 }) })
  expect(states(all)).toMatchObject({ event: "ok", "event to dashboard": "failed" })
})

test("an event that is refused is found with the reason", async () => {
  await using running = await serve()
  running.world.failure = "BACKLOG_FULL"
  const all = await findings(running.url)
  expect(all.find(({ check }) => check === "event")).toMatchObject({
    state: "failed",
    text: expect.stringContaining("BACKLOG_FULL"),
  })
})

test("unavailable stores are found, endpoint by endpoint", async () => {
  await using running = await serve()
  running.world.storesUnavailable = true
  running.world.ready = false
  const deployment = deploymentAt(running.url, { timeoutMs: 3000 })
  expect(states(await findings(running.url, { deployment }))).toMatchObject({
    readiness: "failed",
    "GET /api/v1/analytics/stats": "failed",
    "GET /api/v1/analytics/timeline": "failed",
    WebSocket: "failed",
  })
})

test("what a store says, and what to do, is told; figures that Redis has lost as well", async () => {
  const server = await RedisServer.start({ folder: temporaryFolder() })
  onTestFinished(() => server.kill())
  const config = await settings({ redisUrl: server.url })
  const { base } = await runNode(config)
  const examined = async () => {
    const all = await findings(base, {
      ...{ readOnly: true, deployment: deploymentAt(base, { timeoutMs: 3000 }) },
      stores: { redisUrl: server.url, databaseUrl: null },
    })
    return new Map(all.map(({ check, text }) => [check, text]))
  }
  await server.ask((redis) => redis.hset(streamKeys(config.redisKeyPrefix, 0).state, "lost", 1))
  expect((await examined()).get("figures")).toContain("npm start -- rebuild")
  await server.ask((redis) => redis.replicaof("127.0.0.1", 1))
  const told = await examined()
  expect(told.get("readiness")).toBe(
    "Redis (READONLY): this Redis is a replica, which takes no writes. Let REDIS_URL name the master, after a failover by hand the new one.",
  )
  expect(told.get("Redis")).toContain("it is a replica")
})

test("answers and metrics that are not as documented are found", async () => {
  await using running = await serve()
  const url = await fake(async (request, response) => {
    const answer = await fetch(`${running.url}${request.url}`)
    const body = (await answer.text()).replace('"total_events":', '"events":')
    const type = answer.headers.get("content-type") ?? ""
    response.writeHead(answer.status, { "Content-Type": type })
    response.end(request.url === "/metrics" ? "maicivy_up one\n" : body)
  })
  const all = states(await findings(url))
  expect(all).toMatchObject({
    "GET /api/v1/analytics/stats": "failed",
    metrics: "failed",
    WebSocket: "failed",
  })
  expect(all["GET /api/v1/analytics/themes"]).toBeUndefined()
})

test("another server, and none at all, are told from a deployment", async () => {
  const other = await fake((_, response) =>
    response.writeHead(200, { "Content-Type": "text/html" }).end("<p>"),
  )
  expect(states(await findings(other))).toEqual({ health: "failed", Redis: "skipped", Postgres: "skipped" })
  expect(await findings(`http://127.0.0.1:${await freePort()}`)).toContainEqual({
    check: "health",
    state: "failed",
    text: expect.stringContaining("ECONNREFUSED"),
  })
})

test("a Redis that evicts or keeps nothing fails; one that flushes once a second is a warning", async () => {
  await using running = await serve()
  const { url } = await privateRedis({ fsync: "everysec" })
  const examined = () =>
    findings(running.url, { readOnly: true, stores: { redisUrl: url, databaseUrl: null } })
  const first = await examined()
  expect(first.filter(({ check }) => check === "Redis")).toEqual([
    expect.objectContaining({ state: "warning", text: expect.stringContaining("everysec") }),
  ])
  const { Redis } = await import("ioredis")
  const redis = new Redis(url)
  await redis.config("SET", "maxmemory-policy", "allkeys-lru")
  redis.disconnect()
  expect(await examined()).toContainEqual(
    expect.objectContaining({ state: "failed", text: expect.stringContaining("noeviction") }),
  )
})

test("a Redis that keeps half a transaction is told how not to", async () => {
  await using running = await serve()
  const server = await RedisServer.start({ folder: temporaryFolder() })
  onTestFinished(() => server.kill())
  const about = async () => {
    const stores = { redisUrl: server.url, databaseUrl: null }
    const all = await findings(running.url, { readOnly: true, stores })
    return all.filter(({ check }) => check === "Redis")
  }
  expect(await about()).toMatchObject([
    { state: "ok" },
    {
      state: "warning",
      text: expect.stringMatching(/^Redis keeps .*: set aof-load-truncated no, .*rebuild/),
    },
  ])
  await server.ask((redis) => redis.config("SET", "aof-load-truncated", "no"))
  expect(await about()).toMatchObject([{ state: "ok" }])
})

describe("the report", () => {
  const some: ReadonlyArray<Finding> = [
    { check: "health", state: "ok", text: "answers", milliseconds: 3 },
    { check: "event", state: "failed", text: "503" },
    { check: "Redis", state: "warning", text: "everysec" },
    { check: "Postgres", state: "skipped", text: "not asked" },
  ]

  test("marks each finding and ends with the verdict", () => {
    expect(report("http://x", some, false)).toBe(
      [
        "http://x",
        "",
        "  ✓ health    answers (3 ms)",
        "  ✗ event     503",
        "  ! Redis     everysec",
        "  – Postgres  not asked",
        "",
        "1 of 4 checks failed; 1 to look at, 1 not looked at.",
      ].join("\n"),
    )
  })

  test("has colours where they are wanted only", () => {
    expect(report("http://x", some, true)).toContain("\u001b[31m✗")
    expect(report("http://x", some, false)).not.toContain("\u001b")
  })
})

describe("the command", () => {
  const run = promisify(execFile)
  const doctor = async (...args: ReadonlyArray<string>) => {
    const { NO_COLOR: _, FORCE_COLOR: __, ...environment } = process.env
    const options = { cwd: ROOT, env: { ...environment, ADMIN_TOKEN: "" } }
    return run(process.execPath, [PROGRAM, "doctor", ...args], options).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (cause: { readonly code: number; readonly stdout: string; readonly stderr: string }) => cause,
    )
  }

  test("exits with 0 for a deployment that is well, and 1 for one that is not", async () => {
    const { base } = await runNode(await settings())
    const [well, json, none, nonsense] = await Promise.all([
      doctor("--url", `${base}/`, "--timeout", "60"),
      doctor("--url", base, "--json", "--read-only", "--timeout", "60"),
      doctor("--url", "http://127.0.0.1:1"),
      doctor("--url", "nonsense"),
    ])
    expect(well).toMatchObject({ code: 0, stdout: expect.stringMatching(/✓ event to dashboard .* ms\)/) })
    expect(well.stdout).not.toContain("\u001b")
    expect(JSON.parse(json.stdout)).toMatchObject({ url: base, healthy: true, findings: expect.any(Array) })
    expect(none).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("✗ health"),
      stderr: expect.stringMatching(/1 problem\.\n$/),
    })
    expect(nonsense).toMatchObject({ code: 1, stderr: expect.stringContaining("--url") })
  })
})

describe("a scrape", () => {
  test("is read by the text format", () => {
    expect(
      parseExposition('# HELP a b\n# TYPE a counter\na{x="1,}\\"",y="2"} 1\na 2.5e3 1000\nb +Inf\n'),
    ).toMatchObject({ samples: [{ value: 1 }, { value: 2500 }, { value: Number.POSITIVE_INFINITY }] })
  })

  test.each(["a", "a one\n", "a 1\na 2\n", "# TYPE a thing\n", "a{x=1} 1\n", "a 1"])(
    "that is broken is refused: %j",
    (text) => expect(parseExposition(text)).toBeTypeOf("string"),
  )
})
