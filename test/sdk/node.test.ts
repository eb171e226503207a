/** The client against nodes of its own, with real stores, that are killed and cut off. */
import pg from "pg"
import { expect, test } from "vitest"
import { Analytics, type Loss } from "../../src/sdk/index.ts"
import { ROOT } from "../support/documents.ts"
import { eventually, freshKeyPrefix, migratedDatabase, privateRedis, redisUrl } from "../support/index.ts"
import { dataOf, startProcess } from "../support/process.ts"
import { NODE } from "../support/program.ts"

const rowIds = async (databaseUrl: string): Promise<ReadonlyArray<string>> => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string }>("SELECT id FROM analytics_events")
    return rows.map((row) => row.id)
  } finally {
    await client.end()
  }
}

/** Events are tracked as changes to this theme: its views are a figure of all time, so that no midnight comes into it. */
const THEME = { theme: "dark" }

/** Tracked events that are counted so far. */
const counted = async (url: string): Promise<number> => {
  const { 0: theme } = await dataOf(url, "themes")
  return Number(Object(theme).views ?? 0)
}

/** Every tracked event is counted once, and nothing else. */
const expectExactly = async (url: string, databaseUrl: string, ids: ReadonlySet<string>) => {
  await eventually(async () => expect(await counted(url)).toBe(ids.size))
  const rows = await rowIds(databaseUrl)
  expect(rows).toHaveLength(ids.size)
  expect(rows.filter((id) => !ids.has(id))).toEqual([])
}

/** A `fetch` that passes requests on, and whoever waits for the client's next one hears of it. */
const turnstile = (pass: typeof fetch) => {
  let next = Promise.withResolvers<void>()
  return {
    next: () => next.promise,
    fetch: ((url, request) => {
      next.resolve()
      next = Promise.withResolvers()
      return pass(url, request)
    }) satisfies typeof fetch,
  }
}

const EVENTS_A_REQUEST = 25

/** Tracks some events for each request that the client makes, until `busy` resolves. */
const trackDuring = async (
  analytics: Analytics,
  nextRequest: () => Promise<void>,
  busy: Promise<unknown>,
): Promise<ReadonlySet<string>> => {
  const ids = new Set<string>()
  let going = true
  const ended = busy.finally(() => {
    going = false
  })
  while (going) {
    const requested = nextRequest()
    for (let i = 0; i < EVENTS_A_REQUEST; i++) {
      const turn = ids.size
      const visitorId = `00000000-0000-4000-8000-${(turn % 50).toString(16).padStart(12, "0")}`
      ids.add(analytics.track("cv_theme_change", THEME, { visitorId, pageUrl: `/page/${turn % 5}` }))
    }
    await requested
  }
  await ended
  return ids
}

test("a node that is killed and started again has every event of the SDK once", async () => {
  const databaseUrl = await migratedDatabase()
  const env = {
    REDIS_URL: redisUrl(),
    DATABASE_URL: databaseUrl,
    REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
    RATE_LIMIT_PER_MINUTE: "0",
  }
  let node = await startProcess(NODE, { cwd: ROOT, env })
  const address = node.url
  const losses: Array<Loss> = []
  // A fixed address in front, since a port that was free once may be taken at the next start.
  const requests = turnstile((url, request) => fetch(String(url).replace(address, node.url), request))
  const analytics = new Analytics({
    url: address,
    fetch: requests.fetch,
    flushIntervalMs: 10,
    batchSize: 50,
    flushOnShutdown: false,
    onError: (loss) => losses.push(loss),
  })
  const killing = async () => {
    for (let kill = 1; kill <= 2; kill++) {
      await eventually(async () => expect(await counted(node.url)).toBeGreaterThan(kill * 300))
      await node.end("SIGKILL")
      node = await startProcess(NODE, { cwd: ROOT, env })
    }
  }
  const ids = await trackDuring(analytics, requests.next, killing())
  await analytics.flush()
  expect(losses).toEqual([])
  expect(analytics.waiting).toBe(0)
  await expectExactly(node.url, databaseUrl, ids)
})

test("events wait while Redis hangs and is killed, and count once when it is back", async () => {
  const redis = await privateRedis({ fsync: "always" })
  const databaseUrl = await migratedDatabase()
  const node = await startProcess(NODE, {
    cwd: ROOT,
    env: { REDIS_URL: redis.url, DATABASE_URL: databaseUrl, RATE_LIMIT_PER_MINUTE: "0" },
  })
  const reasons = new Set<string>()
  const losses: Array<Loss> = []
  const requests = turnstile(fetch)
  const analytics = new Analytics({
    url: node.url,
    fetch: requests.fetch,
    flushIntervalMs: 10,
    flushOnShutdown: false,
    onError: (loss) => losses.push(loss),
    onRetry: ({ reason }) => reasons.add(reason),
  })
  const outage = async () => {
    await eventually(async () => expect(await counted(node.url)).toBeGreaterThan(50))
    // Hanging, it may still carry out what was abandoned meanwhile; killed, it has what it acknowledged.
    redis.pause()
    await eventually(() => expect(reasons).toContain("STREAM_UNAVAILABLE"))
    redis.resume()
    redis.kill()
  }
  const ids = await trackDuring(analytics, requests.next, outage())
  await analytics.flush()
  expect(losses).toEqual([])
  await expectExactly(node.url, databaseUrl, ids)
})

test("what exceeds the rate limit is kept, what is no event is told of, and a write key lifts the limit", async () => {
  const databaseUrl = await migratedDatabase()
  const node = await startProcess(NODE, {
    cwd: ROOT,
    env: {
      REDIS_URL: redisUrl(),
      DATABASE_URL: databaseUrl,
      REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
      RATE_LIMIT_PER_MINUTE: "10",
      WRITE_KEYS: "key-0123456789abcdef",
    },
  })
  const losses: Array<Loss> = []
  const onError = (loss: Loss) => losses.push(loss)
  const limited = new Analytics({ url: node.url, flushIntervalMs: 5, flushOnShutdown: false, onError })
  limited.track("Bad!")
  for (let i = 0; i < 14; i++) limited.track("cv_theme_change", THEME)
  await eventually(() => expect(limited.waiting).toBe(5))
  await eventually(() => expect(losses.map(({ code }) => code)).toEqual(["INVALID_EVENT_TYPE"]))
  expect(await limited.close(0)).toBe(5)
  const keyed = new Analytics({
    url: node.url,
    writeKey: "key-0123456789abcdef",
    flushOnShutdown: false,
    onError,
  })
  for (let i = 0; i < 50; i++) keyed.track("cv_theme_change", THEME)
  expect(await keyed.close()).toBe(0)
  await eventually(async () => expect(await counted(node.url)).toBe(59))
})
