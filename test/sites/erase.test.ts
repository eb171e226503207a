/** A site is erased, whatever goes on meanwhile: all of it, for good, and nothing of another one. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { expect, test } from "vitest"
import { NO_FACTS } from "../../src/domain/dimensions.ts"
import { decodeEvent, Rejection } from "../../src/domain/event.ts"
import { PageQuery } from "../../src/domain/pageQuery.ts"
import { encodePayload } from "../../src/domain/payload.ts"
import { partitionOf } from "../../src/domain/visitor.ts"
import { compact } from "../../src/events/chunks/compaction.ts"
import { ensureDeployment } from "../../src/events/schema/deployment.ts"
import { erasedEntries } from "../../src/events/write/index.ts"
import { partitionsWithErased, takeErasedFigures } from "../../src/privacy/erasedFigures.ts"
import { finishErasures } from "../../src/privacy/finishErasures.ts"
import { rebuildPartition } from "../../src/rebuild/partition.ts"
import { eraseSite, Sites } from "../../src/sites/index.ts"
import { LOCKS } from "../../src/stores/locks.ts"
import { awaitReady, connectRedis } from "../../src/stores/redis.ts"
import { rebuiltPrefix, siteKeys, streamKeys } from "../../src/stores/redisKeys.ts"
import { keysLike } from "../../src/stores/scan.ts"
import { makePartitionLog } from "../../src/stream/partitionLog.ts"
import { now } from "../support/clock.ts"
import { crashBeforeFigures, type Deployment, freshDeployment, PARTITIONS } from "../support/deployment.ts"
import { run } from "../support/effects.ts"
import { rows, SITES } from "../support/events.ts"
import { eventually, PATIENCE_MS } from "../support/eventually.ts"

const optionsOf = (deployment: Deployment) => ({
  ...deployment,
  settings: SITES,
  changed: Effect.void as Effect.Effect<void>,
})

const erase = (deployment: Deployment, site: string, changed: Effect.Effect<void> = Effect.void) =>
  eraseSite({ ...optionsOf(deployment), changed }, "ada", site, now())

const SHOP = {
  ...{ slug: "shop", name: null, hosts: ["shop.example"], timeZone: null },
  otherHosts: "count" as const,
}

const payloadOf = (site: string, visitorId: string, id: string | null = null): string => {
  const body = { event_type: "page_view", page_url: "/", visitor_id: visitorId, ...(id !== null && { id }) }
  const options = { now: now(), sites: new Set(["main", "blog", "shop"]), site, referer: null }
  const event = decodeEvent(body, { ...options, pageQuery: new PageQuery([]) })
  if (event instanceof Rejection) throw new Error(event.error)
  return encodePayload(event, visitorId, NO_FACTS)
}

/** Sends so many views of a site by visitors of its own; those that are named have these. */
const view = async (
  deployment: Deployment,
  site: string,
  count: number,
  id = (_: number): string | null => null,
) => {
  for (let i = 0; i < count; i++) {
    const visitorId = randomUUID()
    await deployment.appendPayload(partitionOf(visitorId, PARTITIONS), payloadOf(site, visitorId, id(i)))
  }
}

/** What the stores have of a site, counted apart: raw events, totals, figures of the day, keys. */
const countOf = async ({ postgres, figures, redis, prefix }: Deployment, site: string) => {
  const of = "site_id = (SELECT id FROM sites WHERE slug = $1)"
  const [row] = await rows<{ events: number; totals: number; ids: number }>(
    postgres,
    `SELECT (SELECT count(*)::integer FROM chunk_events WHERE ${of}) AS events,
      (SELECT coalesce(sum(count), 0)::integer FROM daily_totals WHERE ${of} AND metric = 'events') AS totals,
      (SELECT count(*)::integer FROM idempotency_keys WHERE ${of}) AS ids`,
    [site],
  )
  const { total_events, unique_visitors } = await run(figures.stats(site, "day"))
  const keys = (await keysLike(redis, `${prefix}:*`)).filter((key) => key.includes(`}:${site}:`))
  return { ...row, total_events, unique_visitors, hasKeys: keys.length > 0 }
}

const counted = (events: number, ids = 0) => ({
  ...{ events, totals: events, ids, total_events: events, unique_visitors: events, hasKeys: events > 0 },
})

const rebuild = async (deployment: Deployment) => {
  const reader = await deployment.scoped(connectRedis(deployment.redisSettings, "read", "test"))
  await run(awaitReady(reader, PATIENCE_MS))
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const log = makePartitionLog({ ...deployment, partition, reader })
    await run(rebuildPartition({ ...deployment, partition, partitions: PARTITIONS, log }))
  }
}

test("all of a site goes, what waits and what was set aside too, and another one's figures stay as they are", async () => {
  const deployment = await freshDeployment()
  const { postgres, redis, prefix, metrics } = deployment
  const ids = Array.from({ length: 12 }, () => randomUUID())
  const node = deployment.startNode()
  await view(deployment, "blog", 12, (i) => ids[i] ?? null)
  await view(deployment, "main", 30)
  await deployment.drained()
  await node.stop()
  expect(await countOf(deployment, "blog")).toEqual(counted(12, 12))
  // A rebuild that was killed has left this.
  const rebuilt = siteKeys(rebuiltPrefix(prefix), 1, "blog").replace("*", "2026-01-01")
  await redis.hset(rebuilt, "total_events", 12)
  // These wait, and of some the owner has told Postgres, but not Redis.
  await view(deployment, "main", 6)
  await view(deployment, "blog", 9)
  await view(deployment, "main", 4)
  for (let partition = 0; partition < PARTITIONS; partition++)
    await crashBeforeFigures(deployment, partition, 5)
  const stored = (await countOf(deployment, "blog")).events
  const visitorId = randomUUID()
  for (const site of ["blog", "main"]) {
    await redis.xadd(
      streamKeys(prefix, 1).dead,
      "*",
      "e",
      payloadOf(site, visitorId),
      "reason",
      "x",
      "entry",
      "1-0",
    )
  }
  await run(
    postgres.query(
      "test",
      "INSERT INTO goals (site, name, filters) VALUES ('blog', 'Read', '[]'), ('main', 'Read', '[]')",
    ),
  )
  await run(
    postgres.query(
      "test",
      `INSERT INTO access_tokens (kind, digest, name, scopes, sites) VALUES
        ('key', '\\x01', 'its', '{read}', '{blog}'), ('key', '\\x02', 'both', '{read}', '{blog,main}'),
        ('share', '\\x03', 'its', '{figures}', '{blog}'), ('share', '\\x04', 'other', '{figures}', '{main}')`,
    ),
  )

  const receipt = await run(erase(deployment, "blog"))
  expect(receipt).toMatchObject({
    ...{
      site: "blog",
      by: "ada",
      events: stored,
      dead_letters: 1,
      days: 1,
      goals: 1,
      keys: 1,
      share_links: 1,
    },
    ...{ removed: false, complete: true },
  })
  expect(await countOf(deployment, "blog")).toEqual(counted(0))
  expect(await redis.xlen(streamKeys(prefix, 1).dead)).toBe(1)
  expect(await redis.exists(rebuilt)).toBe(0)
  // It is still a site: what comes from now on counts, an event of before that is sent again, too.
  await view(deployment, "blog", 5, (i) => ids[i] ?? null)
  const again = deployment.startNode()
  await deployment.drained()
  const both = async () => [await countOf(deployment, "blog"), await countOf(deployment, "main")]
  expect(await both()).toEqual([counted(5, 5), counted(40)])
  expect(await metrics.registry.metrics()).toMatch(/^test_erased_events_total [1-9]/m)
  await run(compact(postgres, { now: now(), busy: false, metrics }))
  expect(await both()).toEqual([counted(5, 5), counted(40)])
  await again.stop()
  await rebuild(deployment)
  expect(await both()).toEqual([counted(5, 5), counted(40)])
  const left = "SELECT name, sites FROM access_tokens ORDER BY id"
  expect(await rows(postgres, left)).toEqual([
    { name: "both", sites: ["blog", "main"] },
    { name: "other", sites: ["main"] },
  ])
  expect(await rows(postgres, "SELECT site FROM goals")).toEqual([{ site: "main" }])
  const [note] = await rows(postgres, "SELECT who, action, what FROM audit_log ORDER BY id DESC LIMIT 1")
  expect(note).toEqual({
    ...{ who: "ada", action: "site erased", what: `blog, ${stored} events, receipt ${receipt.id}` },
  })
})

test("an erasure that was killed goes on by itself, and a site that was added is one no more until it is added again", async () => {
  const deployment = await freshDeployment()
  const { postgres } = deployment
  const sites = new Sites(postgres, SITES, deployment, Effect.void)
  await run(sites.add("ada", SHOP))
  const node = deployment.startNode()
  await view(deployment, "shop", 8)
  await view(deployment, "main", 8)
  await deployment.drained()
  await run(
    postgres.query(
      "test",
      `INSERT INTO users (name, password, role, sites) VALUES ('bob', '', 'viewer', '{shop}'), ('eve', '', 'viewer', '{shop,main}')`,
    ),
  )
  // Right after the transaction.
  const killed = Effect.die(new Error("killed"))
  await run(Effect.exit(erase(deployment, "shop", killed)))
  // A node that has not heard of it.
  await view(deployment, "shop", 3)
  await view(deployment, "main", 3)
  await deployment.drained()
  const version = "SELECT version::integer AS version FROM site_changes"
  const [told] = await rows<{ version: number }>(postgres, version)
  expect(await run(finishErasures(optionsOf(deployment), PATIENCE_MS))).toMatchObject({ complete: true })
  // Nodes hear of it, which may show figures that have gone.
  expect(await rows(postgres, version)).toEqual([{ version: (told?.version ?? 0) + 1 }])
  expect(await countOf(deployment, "shop")).toEqual(counted(0))
  expect(await countOf(deployment, "main")).toEqual(counted(11))
  expect(await rows(postgres, "SELECT FROM site_erasures WHERE finished_at IS NULL")).toEqual([])
  expect(await rows(postgres, "SELECT FROM declared_sites WHERE slug = 'shop'")).toEqual([])
  // Who had this one only does not have all of them.
  expect(await rows(postgres, "SELECT sites FROM users ORDER BY name")).toEqual([
    { sites: [] },
    { sites: ["main"] },
  ])
  const missing = await run(Effect.flip(erase(deployment, "shop")))
  expect(missing).toMatchObject({ _tag: "SiteRefused", reason: "missing" })

  await run(sites.add("ada", SHOP))
  await view(deployment, "shop", 2)
  await deployment.drained()
  expect(await countOf(deployment, "shop")).toEqual(counted(2))
  await node.stop()
  await rebuild(deployment)
  expect(await countOf(deployment, "shop")).toEqual(counted(2))

  // Added again, it begins empty, whatever still waits of before.
  await run(erase(deployment, "shop"))
  await view(deployment, "shop", 3)
  await run(sites.add("ada", SHOP))
  await view(deployment, "shop", 1)
  deployment.startNode()
  await deployment.drained()
  expect(await countOf(deployment, "shop")).toEqual(counted(1))
  // One of SITES to the nodes stays one, whatever the settings are of who erases it.
  const others = new Sites(postgres, ["main"], deployment, Effect.void)
  await run(others.add("ada", { ...SHOP, slug: "blog" }))
  const elsewhere = eraseSite({ ...optionsOf(deployment), settings: ["main"] }, "ada", "blog", now())
  expect(await run(elsewhere)).toMatchObject({ removed: true, complete: true })
  await view(deployment, "blog", 2)
  await deployment.drained()
  expect(await countOf(deployment, "blog")).toEqual(counted(2))
  // What was set aside of it since stays, when another one is erased, whatever the settings are of who finishes that.
  const { dead } = streamKeys(deployment.prefix, 1)
  const letter = ["e", payloadOf("blog", randomUUID()), "reason", "x", "entry", `${now() * 2}-0`] as const
  await deployment.redis.xadd(dead, "*", ...letter)
  await run(erase(deployment, "main", killed).pipe(Effect.exit))
  expect(
    await run(finishErasures({ ...optionsOf(deployment), settings: ["main"] }, PATIENCE_MS)),
  ).toMatchObject({ complete: true })
  expect(await deployment.redis.xlen(dead)).toBe(1)
})

test("what waits of a site counts that an erasure has left one, whatever SITES whoever writes it has", async () => {
  const deployment = await freshDeployment()
  const { postgres } = deployment
  const sites = new Sites(postgres, SITES, deployment, Effect.void)
  await run(sites.add("ada", SHOP))
  for (const site of ["shop", "blog"])
    expect(await run(erase(deployment, site))).toMatchObject({ complete: true })
  const erasedWith = async (settings: ReadonlyArray<string>) => {
    const isErased = await run(erasedEntries(postgres, settings))
    return ["shop", "blog"].map((site) => [isErased(site, 0, "0-0"), isErased(site, 0, `${now()}-0`)])
  }
  // One that was of SITES at its erasure is not removed by it, though SITES may leave it out later.
  expect(await erasedWith(["main"])).toEqual([
    [true, true],
    [true, false],
  ])
  // Nor is it empty again when it is added then.
  await view(deployment, "blog", 2)
  await run(new Sites(postgres, ["main"], deployment, Effect.void).add("ada", { ...SHOP, slug: "blog" }))
  // An owner knows that shop is none; then a node starts that has it in SITES.
  deployment.startNode()
  await view(deployment, "shop", 3)
  await deployment.drained()
  expect(await countOf(deployment, "shop")).toEqual(counted(0))
  expect(await countOf(deployment, "blog")).toEqual(counted(2))
  const settings = { partitions: PARTITIONS, timeZone: "UTC", sites: [...SITES, "shop"] }
  await run(ensureDeployment(postgres, settings))
  await view(deployment, "shop", 4)
  await deployment.drained()
  expect(await countOf(deployment, "shop")).toEqual(counted(4))
})

test("an erasure waits for retention, and changes nothing until then", async () => {
  const deployment = await freshDeployment()
  const { postgres } = deployment
  const node = deployment.startNode()
  await view(deployment, "blog", 4)
  await deployment.drained()
  await run(
    postgres.transaction("test", (sql) =>
      Effect.gen(function* () {
        yield* sql.query(`SELECT pg_advisory_xact_lock(${LOCKS.retention})`)
        const refused = yield* Effect.flip(erase(deployment, "blog"))
        expect(refused).toMatchObject({ _tag: "SiteRefused", reason: "busy" })
      }),
    ),
  )
  await view(deployment, "blog", 1)
  await deployment.drained()
  expect(await countOf(deployment, "blog")).toEqual(counted(5))
  await node.stop()

  // Totals of days that no event comes for any more go before batches stop, those of later days after that.
  await run(
    postgres.query(
      "test",
      `INSERT INTO daily_totals (site_id, day, metric, name, count, partition)
      SELECT site_id, '2020-02-02', metric, name, count, partition FROM daily_totals ON CONFLICT DO NOTHING`,
    ),
  )
  const batch = await deployment.scoped(postgres.session("test"))
  const { commit } = await deployment.scoped(batch.begin())
  await run(batch.query("SELECT FROM stream_partitions FOR UPDATE"))
  const erasing = Effect.runFork(erase(deployment, "blog", Effect.die(new Error("killed"))).pipe(Effect.exit))
  const free = `SELECT DISTINCT day::text AS day FROM (SELECT day FROM daily_totals JOIN sites ON sites.id = site_id
    WHERE slug = 'blog' FOR UPDATE OF daily_totals SKIP LOCKED) AS free`
  await eventually(async () => expect(await rows(postgres, free)).toHaveLength(1))
  expect(await rows(postgres, free)).not.toEqual([{ day: "2020-02-02" }])
  await run(commit)
  await run(Fiber.join(erasing))
  // Killed again, between two partitions.
  expect(await countOf(deployment, "blog")).toMatchObject({ events: 0, totals: 0, total_events: 5 })
  await run(takeErasedFigures(optionsOf(deployment), 0))
  expect(await run(partitionsWithErased(postgres))).toEqual([1])
  expect(await run(finishErasures(optionsOf(deployment), PATIENCE_MS))).toMatchObject({ complete: true })
  expect(await countOf(deployment, "blog")).toEqual(counted(0))

  // One that is added again while its figures are deleted keeps those that it has from then on.
  const sites = new Sites(postgres, SITES, deployment, Effect.void)
  await run(sites.add("ada", SHOP))
  await run(erase(deployment, "shop", Effect.die(new Error("killed"))).pipe(Effect.exit))
  await deployment.appendPayload(0, payloadOf("shop", randomUUID()))
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
  const row = await deployment.scoped(postgres.session("test"))
  const held = await deployment.scoped(row.begin())
  await run(row.query("SET LOCAL idle_in_transaction_session_timeout = 0"))
  await run(row.query("SELECT FROM erased_entries WHERE partition = 0 FOR UPDATE"))
  const adding = Effect.runFork(sites.add("ada", SHOP))
  await eventually(async () => expect(await rows(postgres, waiting)).toHaveLength(1))
  const dropping = Effect.runFork(takeErasedFigures(optionsOf(deployment), 0))
  await eventually(async () => expect(await rows(postgres, waiting)).toHaveLength(2))
  await run(held.commit)
  await run(Effect.all([Fiber.join(adding), Fiber.join(dropping)]))
  expect(await run(partitionsWithErased(postgres))).toEqual([1])
})
