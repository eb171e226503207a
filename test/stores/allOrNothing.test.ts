/** A script that is refused in the middle must not have begun: its batch is tried again, and would count twice. */
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import type { Redis } from "ioredis"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { applyTotals } from "../../src/aggregates/apply.ts"
import { aggregate } from "../../src/domain/aggregation.ts"
import { NO_FACTS } from "../../src/domain/dimensions.ts"
import type { StreamEvent } from "../../src/domain/event.ts"
import { Calendar, periodKey } from "../../src/domain/period.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { figureKeys, GROUP, streamKeys, VISITOR_BUCKETS } from "../../src/stores/redisKeys.ts"
import { Script } from "../../src/stores/script.ts"
import { filesIn, ROOT } from "../support/documents.ts"
import { RedisServer } from "../support/redisServer.ts"
import { newFolder, removeFolder } from "../support/temporaryFolder.ts"

const PREFIX = "maicivy"
/** A Monday that Redis' clock is far from: what it is told to keep until some time after it is there as long as the test. */
const NOON = Date.parse("2098-12-29T12:00:00Z")
const calendar = new Calendar("UTC")
const today = calendar.dayOf(NOON)
const { state, events, dead } = streamKeys(PREFIX, 0)
const other = streamKeys(PREFIX, 1)

const script = (path: string) => Script.load(new URL(`../../src/${path}`, import.meta.url))

/** A call of a script, and the keys that are there before it. */
interface Call {
  readonly path: string
  readonly what: string
  readonly prepare: (redis: Redis) => Promise<unknown>
  readonly run: (redis: Redis) => Promise<unknown>
}

const event = (visitor: number, createdAt: number, theme?: string): StreamEvent => ({
  site: "main",
  id: null,
  visitorId: `00000000-0000-4000-8000-${visitor.toString(16).padStart(12, "0")}`,
  type: theme === undefined ? "page_view" : "cv_theme_change",
  createdAt,
  pageUrl: "/",
  referrer: null,
  data: theme === undefined ? null : { theme },
  facts: NO_FACTS,
})

const owned = (redis: Redis) =>
  Promise.all([
    redis.hset(state, "epoch", "7", "applied", "1-0"),
    redis.xadd(events, "2-0", "e", "{}").then(() => redis.xgroup("CREATE", events, GROUP, "0")),
  ])

const apply = (redis: Redis, batch: ReadonlyArray<StreamEvent>, from: string, to: string) =>
  applyTotals(redis, {
    ...{ prefix: PREFIX, partition: 0, epoch: 7, move: { from, to }, totals: aggregate(batch, calendar) },
    ...{ announcement: { channel: "live", text: "{}" }, calendar, now: NOON },
  })

/** Two days, with themes, letters and visitors that come back. */
const batch = [1, 2, 3, 70]
  .flatMap((visitor) => [event(visitor, NOON), event(visitor, NOON - DAY_MS), event(visitor, NOON, "dark")])
  .concat({ ...event(4, NOON), type: "letter_generate", data: { letter_type: "motivation" } })
const period = figureKeys(PREFIX, 0, "main").period(today)
const rebuilt = figureKeys(`${PREFIX}~rebuild`, 0, "main").period(today)

const CALLS: ReadonlyArray<Call> = [
  {
    path: "aggregates/lua/apply.lua",
    what: "the first batch of all",
    prepare: owned,
    run: (redis) => apply(redis, batch, "1-0", "2-0"),
  },
  {
    path: "aggregates/lua/apply.lua",
    what: "a batch upon figures",
    prepare: async (redis) => {
      await owned(redis)
      await apply(redis, [event(1, NOON), event(9, NOON, "dark")], "1-0", "1-5")
    },
    run: (redis) => apply(redis, batch, "1-5", "2-0"),
  },
  {
    path: "aggregates/lua/apply.lua",
    what: "late events upon estimates",
    prepare: async (redis) => {
      await owned(redis)
      await apply(redis, [event(1, NOON - 20 * DAY_MS)], "1-0", "1-5")
      const month = periodKey("month", calendar.dayOf(NOON - 20 * DAY_MS))
      await redis.hset(figureKeys(PREFIX, 0, "main").period(month).totals, "estimated", 1)
    },
    run: (redis) => apply(redis, [event(1, NOON - 20 * DAY_MS), event(5, NOON - 20 * DAY_MS)], "1-5", "2-0"),
  },
  {
    path: "stream/lua/append.lua",
    what: "events of two partitions",
    prepare: (redis) => redis.xadd(events, "2-0", "e", "{}"),
    run: (redis) =>
      script("stream/lua/append.lua").run(
        redis,
        [events, dead, other.events, other.dead],
        [100, 2, "a", "facts of a", "b", "", 1, "c", ""],
      ),
  },
  {
    path: "stream/lua/deadLetter.lua",
    what: "an entry",
    prepare: owned,
    run: (redis) =>
      script("stream/lua/deadLetter.lua").run(
        redis,
        [state, events, dead],
        [7, "1-0", "2-0", "{}", "facts", "why"],
      ),
  },
  {
    path: "stream/lua/replayDeadLetter.lua",
    what: "a dead letter",
    prepare: (redis) => redis.xadd(dead, "5-0", "e", "{}", "f", "facts", "reason", "why", "entry", "2-0"),
    run: (redis) => script("stream/lua/replayDeadLetter.lua").run(redis, [events, dead], ["5-0"]),
  },
  {
    path: "stream/lua/probe.lua",
    what: "two partitions",
    prepare: owned,
    run: (redis) =>
      script("stream/lua/probe.lua").run(
        redis,
        [state, events, dead, other.state, other.events, other.dead],
        ["a deployment"],
      ),
  },
  {
    path: "rebuild/lua/swap.lua",
    what: "figures of a day",
    prepare: async (redis) => {
      await owned(redis)
      await redis.hset(period.totals, "events", 1)
      await redis.hset(rebuilt.totals, "events", 2)
      await redis.zadd(rebuilt.themes, 2, "dark")
    },
    run: (redis) =>
      script("rebuild/lua/swap.lua").run(
        redis,
        [state, events, period.totals, rebuilt.totals, period.totals, rebuilt.themes, period.themes],
        [7, "2-0", "2-1", 1],
      ),
  },
  {
    path: "privacy/lua/dropFigures.lua",
    what: "figures of a day",
    prepare: async (redis) => {
      await owned(redis)
      await redis.hset(period.totals, "events", 1)
      await redis.zadd(period.themes, 2, "dark")
    },
    run: (redis) =>
      script("privacy/lua/dropFigures.lua").run(redis, [state, period.totals, period.themes], [7]),
  },
  ...[0, 1].map((closed) => ({
    path: "rebuild/lua/merge.lua",
    what: closed === 1 ? "visitors of a closed period" : "visitors of an open period",
    prepare: async (redis: Redis) => {
      await redis.hset(period.totals, "events", 3, "unique_visitors", 2)
      await redis.hset(rebuilt.totals, "events", 3, "unique_visitors", 1)
      await redis.sadd(`${period.visitors}1`, 1, 65)
      await redis.sadd(`${rebuilt.visitors}1`, 129)
      await redis.pfadd(period.hll, "1", "65")
      await redis.pfadd(rebuilt.hll, "129")
    },
    run: (redis: Redis) =>
      script("rebuild/lua/merge.lua").run(
        redis,
        [
          ...[period.totals, rebuilt.totals, period.hll, rebuilt.hll],
          ...Array.from({ length: VISITOR_BUCKETS }, (_, i) => [
            `${period.visitors}${i}`,
            `${rebuilt.visitors}${i}`,
          ]).flat(),
        ],
        [0, closed],
      ),
  })),
]

/** Scripts of which nothing depends on whether they ended half done: what they write is written again by the next call. */
const REPEATABLE = [
  "actors/lua/heartbeat.lua",
  "node/lua/claim.lua",
  "stores/lua/rights.lua",
  "stream/lua/lease.lua",
  "stream/lua/seen.lua",
  "stream/lua/takeOver.lua",
  "stream/lua/try.lua",
]

/** What other scripts include: whatever they call is called by these. */
const INCLUDED = ["stores/lua/plan.lua", "stream/lua/belongs.lua", "stream/lua/fence.lua"]

/** Every command that a script calls, whatever for, what it includes among it. */
const commandsOf = (path: string): ReadonlyArray<string> => {
  const text = readFileSync(`${ROOT}/src/${path}`, "utf8")
  const included = INCLUDED.filter((each) => text.includes(basename(each)))
  const named = [...text.matchAll(/(?:call|plan|merge)\('([A-Z]+)'/g)].map((match) => match[1] ?? "")
  return [...new Set([...named, ...included.flatMap(commandsOf)])]
}

let server: RedisServer
let redis: Redis
const folder = newFolder()

beforeAll(async () => {
  server = await RedisServer.start({ folder, settings: ["--appendonly", "no"] })
  redis = server.connect()
  await redis.connect()
})

afterAll(async () => {
  redis.disconnect()
  await server.kill()
  removeFolder(folder)
})

const read = async (key: string): Promise<unknown> => {
  const type = await redis.type(key)
  if (type === "hash") return Object.entries(await redis.hgetall(key)).sort()
  if (type === "set") return (await redis.smembers(key)).sort()
  if (type === "zset") return redis.zrange(key, "0", "-1", "WITHSCORES")
  if (type === "list") return redis.lrange(key, 0, -1)
  // Ids are of the moment.
  if (type === "stream") return (await redis.xrange(key, "-", "+")).map(([, fields]) => fields)
  const text = await redis.get(key)
  return text?.startsWith("HYLL") ? await redis.pfcount(key) : text
}

/** What lives for some minutes from a write on has another end each time. */
const whenGone = (expiry: number) => (expiry > 0 && expiry < Date.now() / 1000 + 3600 ? "soon" : expiry)

/** Everything that is there, with when it expires. */
const everything = async (): Promise<Record<string, unknown>> => {
  const all: Record<string, unknown> = {}
  for (const key of (await redis.keys("*")).sort())
    all[key] = [await read(key), whenGone(Number(await redis.call("EXPIRETIME", key)))]
  return all
}

const fresh = async (call: Call) => {
  await redis.flushall()
  await call.prepare(redis)
  return everything()
}

/** What a call leaves that nothing stands in the way of. */
const reference = async (call: Call) => {
  const before = await fresh(call)
  await call.run(redis)
  const after = await everything()
  expect(after).not.toEqual(before)
  return { before, after }
}

test("every script is known here", () => {
  const found = filesIn("src", ".lua").map((path) => path.slice("src/".length))
  expect([...new Set([...CALLS.map(({ path }) => path), ...REPEATABLE, ...INCLUDED])].sort()).toEqual(
    [...found].sort(),
  )
})

test("a probe is refused where the user may not run something that an event needs", () => {
  const probed = [
    ...readFileSync(`${ROOT}/src/stream/lua/probe.lua`, "utf8").matchAll(/[{(] ?'([A-Z]+)'/g),
  ].map(([, command]) => command)
  const writes = ["stream/lua/append.lua", "aggregates/lua/apply.lua"].flatMap((path) =>
    [...readFileSync(`${ROOT}/src/${path}`, "utf8").matchAll(/(?:plan|mayRun)\('([A-Z]+)'/g)].map(
      ([, command]) => command,
    ),
  )
  expect(writes.length).toBeGreaterThan(10)
  expect([...new Set(writes)].filter((command) => !probed.includes(command))).toEqual([])
})

describe.each(CALLS)("$path with $what", (call) => {
  test("changes nothing while the user may not run one of its commands, and all afterwards", async () => {
    const { before, after } = await reference(call)
    const refused: Array<string> = []
    for (const command of commandsOf(call.path)) {
      await fresh(call)
      await redis.call(
        "ACL",
        "SETUSER",
        "limited",
        "reset",
        "on",
        "nopass",
        "~*",
        "&*",
        "+@all",
        `-${command}`,
      )
      const limited = server.connect()
      await limited.connect()
      await limited.call("AUTH", "limited", "any")
      const result = await call.run(limited).then(
        () => null,
        (error: Error) => error.message,
      )
      limited.disconnect()
      if (result !== null) {
        refused.push(command)
        expect(result).toMatch(/NOPERM|not have permissions|can't run this command|ACL failure/i)
        expect(await everything(), command).toEqual(before)
        await call.run(redis)
      }
      expect(await everything(), command).toEqual(after)
    }
    expect(refused.length).toBeGreaterThan(1)
  })

  test("changes nothing while one of its keys holds something else, and all afterwards", async () => {
    const { before, after } = await reference(call)
    let refused = 0
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      await fresh(call)
      if (key in before) await redis.rename(key, "aside")
      await redis.rpush(key, "something else")
      const foreign = await everything()
      const result = await call.run(redis).then(
        () => null,
        (error: Error) => error.message,
      )
      // A key that is written over, whatever it was.
      if (result === null) continue
      refused++
      expect(await everything(), key).toEqual(foreign)
      await redis.del(key)
      if (key in before) await redis.rename("aside", key)
      await call.run(redis)
      expect(await everything(), key).toEqual(after)
    }
    expect(refused).toBeGreaterThan(0)
  })
})

test("a batch waits while a sketch is damaged or a count is no number, and is counted once afterwards", async () => {
  const [, call] = CALLS
  if (call === undefined) throw new Error("there is no such call")
  const { after } = await reference(call)
  for (const [key, damage] of [
    [period.hll, () => redis.set(period.hll, "HYLL\u0001 damaged", "KEEPTTL")],
    [period.totals, () => redis.hset(period.totals, "events", "many")],
  ] as const) {
    await fresh(call)
    const whole = await redis.dumpBuffer(key)
    const expiry = Number(await redis.call("PEXPIRETIME", key))
    await damage()
    const damaged = await everything().catch(() => null)
    await expect(call.run(redis)).rejects.toThrow(/WRONGTYPE|INVALIDOBJ/)
    expect(await everything().catch(() => null)).toEqual(damaged)
    await redis.restore(key, expiry, whole, "REPLACE", "ABSTTL")
    await call.run(redis)
    expect(await everything()).toEqual(after)
  }
})
