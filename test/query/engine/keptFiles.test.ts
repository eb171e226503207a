import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { describe, expect, test, vi } from "vitest"
import { Calendar } from "../../../src/domain/period.ts"
import { DAY_MS } from "../../../src/domain/time.ts"
import { eraseRows } from "../../../src/privacy/eraseRows.ts"
import { CHUNK_COLUMNS, writeLines } from "../../../src/query/engine/chunkLines.ts"
import { NoRoom, openDatabase } from "../../../src/query/engine/database.ts"
import {
  writeAsAsked,
  writeEvents,
  writePartVisits,
  writeTogether,
  writeVisits,
  writeVisitsTogether,
} from "../../../src/query/engine/dayParts.ts"
import { answer, lookThrough, sourcesOf } from "../../../src/query/engine/engine.ts"
import { removeGoneParts } from "../../../src/query/engine/goneParts.ts"
import { type QueryEngine, queryEngine } from "../../../src/query/engine/index.ts"
import { keepFiles, removeOutdated } from "../../../src/query/engine/keptFiles.ts"
import { NodeFolder } from "../../../src/query/engine/nodeFolder.ts"
import { firstVisitOf } from "../../../src/query/engine/siteDay.ts"
import { FORMAT, siteDays } from "../../../src/query/engine/siteDays.ts"
import { writeSomeTallies, writeTallies } from "../../../src/query/engine/tallies.ts"
import { decodeQuery, type Query, QueryProblem } from "../../../src/query/language/index.ts"
import type { Postgres } from "../../../src/stores/postgres.ts"
import { run, testScope } from "../../support/effects.ts"
import { event, freshEvents, store } from "../../support/events.ts"
import { eventually, redisUrl, temporaryFolder } from "../../support/index.ts"
import { settings } from "../../support/node.ts"

const NOW = Date.parse("2026-11-30T15:20:10Z")
const calendar = new Calendar("UTC")
const MB = 1024 * 1024

const [ADA, BOB, CLEO] = [
  "11111111-1111-4111-8111-111111111111",
  "22222222-2222-4222-8222-222222222222",
  "33333333-3333-4333-8333-333333333333",
] as const

const QUERY = decodeQuery(
  { metrics: ["events"], date_range: "7d", filters: [["is_not", "page", ["/nowhere"]]] },
  { now: NOW, sites: new Set(["main"]), site: "main", timeZone: "UTC", earliest: () => null },
)
if (QUERY instanceof QueryProblem) throw new Error(QUERY.error)
const question = QUERY
/** One that tallies tell. */
const withoutFilters = { ...question, filters: [] }

/** An engine in a folder, which may think that it has less memory: what it answers, how many files it has made of days that had ended, its look through them, and its end. */
const engineIn = async (folder: string, postgres: Postgres, memoryBytes = 256 * MB) => {
  const kept = keepFiles(folder)
  const opened = await testScope().run(openDatabase(folder, 256 * MB))
  let made = 0
  let isFull = false
  const database: typeof opened = {
    ...opened,
    memoryBytes,
    rows: (text, ...more) => {
      if (isFull && text.startsWith("COPY")) return Effect.fail(new NoRoom({ message: "the disk is full" }))
      if (text.startsWith("COPY") && /-ended-\d+\.parquet' \(FORMAT/.test(text)) made++
      return opened.rows(text, ...more)
    },
  }
  let now = NOW
  const sources = sourcesOf({ postgres, database, folder, calendar, kept, now: () => (now += 1000) })
  return {
    ask: async (asked: Query = question) => {
      made = 0
      const { rows } = await run(answer(asked, sources))
      return { events: rows[0]?.metrics[0], made }
    },
    look: () => run(lookThrough(sources)),
    end: () => {
      sources.files.keep()
      keepFiles(folder)
    },
    /** Whether the disk has room for files from now on. */
    hasRoom: (hasRoom: boolean) => {
      isFull = !hasRoom
    },
  }
}

const daysIn = (folder: string) =>
  readdirSync(folder)
    .flatMap((name) => /^\d+-2026-11-(\d+)-ended-/.exec(name)?.[1] ?? [])
    .sort()

/** Ada's event of each of the last days, but for Bob's of the third. */
const fourDays = async () => {
  const { postgres, url } = await freshEvents()
  const days = [1, 2, 3, 4].map((day) => ({
    createdAt: NOW - day * DAY_MS,
    visitorId: day === 3 ? BOB : ADA,
  }))
  await store(
    postgres,
    [...days, { createdAt: NOW - 1000, visitorId: ADA }].map((each) => event(each)),
  )
  return { postgres, url }
}

test("an engine takes over the files of the one before, but those that are damaged or of days that have changed", async () => {
  const { postgres } = await fourDays()
  const folder = join(temporaryFolder(), "engine")
  mkdirSync(folder)
  expect(await (await engineIn(folder, postgres)).ask()).toEqual({ events: 5, made: 4 })
  // It has ended in the middle of another one.
  writeFileSync(join(folder, "1-2026-11-20-ended-9.parquet"), "unfinished")
  expect(await (await engineIn(folder, postgres)).ask()).toEqual({ events: 5, made: 0 })
  expect(daysIn(folder)).toEqual(["26", "27", "28", "29"])
  const [first = ""] = readdirSync(folder).filter((name) => name.includes("-29-ended-"))
  truncateSync(join(folder, first), 100)
  expect(await (await engineIn(folder, postgres)).ask()).toEqual({ events: 5, made: 1 })

  const third = await engineIn(folder, postgres)
  expect(await third.ask()).toEqual({ events: 5, made: 0 })
  await run(eraseRows(postgres, BOB))
  await third.look()
  expect(daysIn(folder)).toEqual(["26", "28", "29"])
  await store(postgres, [event({ createdAt: NOW - 4 * DAY_MS, visitorId: ADA })])
  const fourth = await engineIn(folder, postgres)
  expect(await fourth.ask()).toEqual({ events: 5, made: 0 })
  expect(daysIn(folder)).toEqual(["28", "29"])
})

test("what came while a day was read goes with its visitor, though the day is then what it was before", async () => {
  const { postgres } = await fourDays()
  const folder = join(temporaryFolder(), "engine")
  mkdirSync(folder)
  const late = [DAY_MS, 500].map((ago) => event({ createdAt: NOW - ago, visitorId: CLEO }))
  let comes: ReturnType<typeof store> | null = null
  const { ask, look } = await engineIn(folder, {
    ...postgres,
    session: (operation) =>
      Effect.andThen(
        Effect.promise(() => (comes ??= store(postgres, late))),
        postgres.session(operation),
      ),
  })
  // Asked once: nobody sees the version that the days have with her.
  expect((await ask(withoutFilters)).events).toBe(7)
  await run(eraseRows(postgres, CLEO))
  await look()
  expect(daysIn(folder)).toEqual(["26", "27", "28"])
  for (const asked of [question, withoutFilters]) expect((await ask(asked)).events).toBe(5)
})

/** Files of the parts of days that go on, and of their visits. */
const partsIn = (folder: string) => readdirSync(folder).filter((name) => name.includes("-part-"))

describe("the parts of a day that goes on", () => {
  /** Ten events of Ada's, and two of Bob's that came later: each a part. */
  const today = async () => {
    const { postgres } = await freshEvents()
    const folder = join(temporaryFolder(), "kept")
    mkdirSync(folder)
    const first = await engineIn(folder, postgres)
    const at = (visitorId: string, count: number) =>
      store(
        postgres,
        Array.from({ length: count }, (_, i) => event({ createdAt: NOW - 1000 - i, visitorId })),
      )
    await at(ADA, 10)
    expect((await first.ask()).events).toBe(10)
    await at(BOB, 2)
    expect((await first.ask()).events).toBe(12)
    first.end()
    const parts = partsIn(folder)
    expect(parts).toHaveLength(5)
    return { postgres, folder, parts, at }
  }

  test("are gone on with by the next engine, which reads what has come since", async () => {
    const { postgres, folder, parts, at } = await today()
    const second = await engineIn(folder, postgres)
    expect(await second.ask()).toEqual({ events: 12, made: 0 })
    expect(partsIn(folder)).toEqual(parts)
    await at(CLEO, 1)
    expect((await second.ask()).events).toBe(13)
    expect(parts.filter((name) => !existsSync(join(folder, name)))).toHaveLength(1)
    second.end()
    const third = await engineIn(folder, postgres)
    expect((await third.ask()).events).toBe(13)
    third.end()
    await run(eraseRows(postgres, BOB))
    expect((await (await engineIn(folder, postgres)).ask()).events).toBe(11)
  })

  test("are made again where one is damaged, or the list of them is", async () => {
    for (const damaged of [/-part-/, /\.list$/]) {
      const { postgres, folder } = await today()
      const [name = ""] = readdirSync(folder).filter((each) => damaged.test(each))
      truncateSync(join(folder, name), 30)
      expect((await (await engineIn(folder, postgres)).ask()).events).toBe(12)
    }
  })

  test("are made again, smaller, by an engine that has less memory", async () => {
    const { postgres } = await freshEvents()
    const folder = join(temporaryFolder(), "kept")
    mkdirSync(folder)
    for (const since of [1000, 2000])
      await store(
        postgres,
        Array.from({ length: 500 }, (_, i) => event({ createdAt: NOW - since - i, visitorId: ADA })),
      )
    // Of each part its events and its visits, and the visits of the day.
    for (const { memory, files } of [
      { memory: 256 * MB, files: 3 },
      { memory: 45 * MB, files: 5 },
      { memory: 256 * MB, files: 5 },
    ]) {
      const engine = await engineIn(folder, postgres, memory)
      expect((await engine.ask()).events).toBe(1000)
      engine.end()
      expect(partsIn(folder)).toHaveLength(files)
    }
  })

  test("lose, while there is no engine, those with an erased visitor's events, and go with their day", async () => {
    const { postgres, folder, parts } = await today()
    const look = async () => {
      const days = await run(siteDays(postgres, calendar))
      await run(removeGoneParts(folder, days, postgres, calendar))
      await run(removeOutdated(folder, days, 1e9))
      return partsIn(folder)
    }
    expect(await look()).toEqual(parts)
    await run(eraseRows(postgres, BOB))
    const left = await look()
    expect(left).toHaveLength(2)
    expect(parts).toEqual(expect.arrayContaining(left))
    expect(await look()).toEqual(left)
    const second = await engineIn(folder, postgres)
    expect((await second.ask()).events).toBe(10)
    expect(left.every((name) => existsSync(join(folder, name)))).toBe(true)
    second.end()
    await run(eraseRows(postgres, ADA))
    expect(await look()).toEqual([])
    expect(readdirSync(folder)).toEqual([])
  })
})

test("files that cannot be written again without an erased visitor go as a whole, and no others wait for them", async () => {
  const { postgres } = await fourDays()
  await store(postgres, [event({ createdAt: NOW - 500, visitorId: BOB })])
  const folder = join(temporaryFolder(), "engine")
  mkdirSync(folder)
  const { ask, look, hasRoom } = await engineIn(folder, postgres)
  for (const asked of [question, withoutFilters]) expect((await ask(asked)).events).toBe(6)
  const names = () => readdirSync(folder).filter((name) => name.endsWith(".parquet"))
  expect(names().filter((name) => /-events-|-tallies-/.test(name)).length).toBeGreaterThan(1)
  await run(eraseRows(postgres, BOB))
  hasRoom(false)
  await look()
  expect([daysIn(folder), names().length]).toEqual([["26", "28", "29"], 3])
  hasRoom(true)
  for (const asked of [question, withoutFilters]) expect((await ask(asked)).events).toBe(4)
})

test("what is written to files is of this format", async () => {
  const day = { from: 0, until: DAY_MS }
  const [events, visits] = ["events", "visits"]
  const part = { events, visits }
  const path = join(temporaryFolder(), "lines")
  const chunk = {
    ...{ first_at: "1", bots: false, pages: ["https://a.example/b/?utm_source=c#d", null], rest: '"ids":[]' },
    ...{ origins: ['["a","b"]'], clients: [null], labels: null },
    data: ['{"a":"b","c":1,"d":[]}', null],
  }
  await run(writeLines(path, Stream.succeed([chunk]), { numberOf: () => 1, onLine: () => {} }))
  const written = [
    ...[CHUNK_COLUMNS, readFileSync(path, "utf8")],
    String(firstVisitOf({ site: "main", siteId: 1, day: "2026-11-29", version: "", events: 1 })),
    writeEvents("", { lines: { path: "", longest: 1 }, events: [], without: [], day, firstVisit: 0n }),
    writeEvents("", { lines: null, events: [events], without: [1], day, firstVisit: 0n }),
    writeSomeTallies("", ["1"], "2026-11-28", "2026-11-29"),
    writePartVisits("", events),
    writeVisits("", [part], { number: 0, of: 1 }),
    writeAsAsked("", part, { parts: [part, { events: "3", visits: "4" }], visits }),
    writeTogether("", ["1", "2"]),
    writeVisitsTogether("", ["1", "2"]),
    ...[null, "page" as const].map((dimension) =>
      writeTallies("", {
        ...{ dimension, until: 1, of: { ended: ["1"], growing: [] } },
        before: { ended: ["2"], growing: [] },
      }),
    ),
  ]
  const hash = createHash("sha256").update(written.join()).digest("hex").slice(0, 12)
  // Where they have changed, files that are kept must not be read any more: the number in FORMAT is the next one.
  expect({ format: FORMAT.split(" ")[1], hash }).toEqual({ format: "8", hash: "5f10c50e3266" })
})

test("while there is no engine, whatever is not of a day as it is now goes, and the earliest of what is too much", async () => {
  const { postgres } = await fourDays()
  const folder = join(temporaryFolder(), "kept")
  mkdirSync(folder)
  await (await engineIn(folder, postgres)).ask()
  expect(readdirSync(folder)).not.toEqual(keepFiles(folder))
  writeFileSync(join(folder, "1-2026-11-29-events-3.parquet"), "of a day that goes on")
  await run(eraseRows(postgres, BOB))
  const look = async (maxBytes: number) => {
    await run(removeOutdated(folder, await run(siteDays(postgres, calendar)), maxBytes))
    return daysIn(folder)
  }
  expect(await look(1e9)).toEqual(["26", "28", "29"])
  expect(readdirSync(folder)).toHaveLength(3)
  expect(await look(1)).toEqual([])
})

describe("the folder of a node", () => {
  const MINUTES_AGO = new Date(Date.now() - 6 * 60_000)
  const filesIn = (folder: string | null) => (folder === null ? null : readdirSync(folder))
  /** A node that has been asked, and whose engine has ended. */
  const asked = (all: string, file: string) => {
    const node = new NodeFolder(all)
    const folder = node.forEngine()
    writeFileSync(join(folder, file), "")
    node.keep(folder)
    return node
  }

  test("is kept between engines, and left to one node that starts later", () => {
    const all = temporaryFolder()
    const first = asked(all, "1")
    const second = asked(all, "2")
    expect([first, second].map(({ kept }) => filesIn(kept))).toEqual([["1"], ["2"]])
    const [one, other] = [first.forEngine(), first.forEngine()]
    expect([one, other].map(filesIn)).toEqual([["1"], []])
    // It ends late: another one was started in its place.
    first.keep(one)
    expect([one, first.kept ?? ""].map((path) => existsSync(path))).toEqual([false, false])
    first.keep(other)
    expect(filesIn(first.kept)).toEqual([])
    second.leave()
    const [third, fourth] = [new NodeFolder(all), new NodeFolder(all)]
    expect([third, fourth].map(({ kept }) => filesIn(kept))).toEqual([["2"], null])
    first.leave()
    expect(readdirSync(all)).toHaveLength(1)
  })

  test("is another one's when its node has not touched it for long, or is removed", async () => {
    const all = temporaryFolder()
    const first = new NodeFolder(all)
    const folder = first.forEngine()
    writeFileSync(join(folder, "1"), "")
    const [name = ""] = readdirSync(all)
    const living = asked(all, "2")
    await run(living.removeOthers)
    expect(readdirSync(all)).toHaveLength(2)
    // Whatever the clocks of nodes are.
    vi.setSystemTime(Date.now() + DAY_MS)
    expect(new NodeFolder(all).kept).toBeNull()
    await run(living.removeOthers)
    expect(first.touch()).toBe(true)
    vi.useRealTimers()
    expect(new NodeFolder(all).kept).toBeNull()
    expect(readdirSync(all)).toHaveLength(2)

    utimesSync(join(all, name), MINUTES_AGO, MINUTES_AGO)
    const second = new NodeFolder(all)
    expect(filesIn(second.kept)).toEqual(["1"])
    expect(first.touch()).toBe(false)
    // An engine that ends when its node's folder is another's.
    first.keep(folder)
    expect(filesIn(second.kept)).toEqual(["1"])

    const [left = ""] = readdirSync(all).filter((each) => living.kept?.includes(each) === false)
    utimesSync(join(all, left), MINUTES_AGO, MINUTES_AGO)
    await run(living.removeOthers)
    expect(readdirSync(all)).toHaveLength(1)
    expect(second.touch()).toBe(false)
  })
})

test("files outlive engine and node, but those with an erased visitor's events, and only their user reads them", async () => {
  const { postgres, url } = await fourDays()
  const config = await settings({ databaseUrl: url })
  const redis = { url: redisUrl(), cluster: false, certificates: { ca: null, cert: null, key: null } }
  const stores = { databaseUrl: url, redis }
  const folders = () => readdirSync(join(config.dataDir, "query"), { recursive: true, encoding: "utf8" })
  const tallies = () => folders().filter((path) => path.includes("-tallies-2026-"))
  // Whether the last day has ended is told by the engine's own clock.
  const days = () => folders().flatMap((path) => /-2026-11-(2\d)-ended-/.exec(path)?.[1] ?? [])
  const start = async () => {
    const scope = testScope()
    return { scope, engine: await scope.run(queryEngine({ config, stores, postgres, idleMs: 1 })) }
  }
  /** Asks what a busy machine may have no time for: files that were made meanwhile are there for the next try. */
  const inTime = (engine: QueryEngine, asked: Query) =>
    run(Effect.retry(engine.ask(asked), { while: ({ failure }) => failure === "deadline" }))
  const first = await start()
  // Together, so that the engine is not without a question between them.
  const answers = await Promise.all([question, withoutFilters].map((asked) => inTime(first.engine, asked)))
  expect(answers.map(({ rows }) => rows[0]?.metrics)).toEqual([[5], [5]])
  await eventually(() => {
    expect(folders().filter((path) => path.includes("engine-"))).toEqual([])
    expect([days().sort(), tallies().length]).toEqual([["26", "27", "28", "29"], 1])
  })
  expect(statSync(join(config.dataDir, "query")).mode & 0o777).toBe(0o700)
  await first.scope.close()
  await expect(run(first.engine.ask(question))).rejects.toThrow("the node is stopping")
  expect(folders().filter((path) => path.startsWith("left-")).length).toBe(folders().length)
  await run(eraseRows(postgres, BOB))
  const second = await start()
  await eventually(() => expect([days().sort(), tallies()]).toEqual([["26", "28", "29"], []]))
  expect((await inTime(second.engine, question)).rows[0]?.metrics).toEqual([4])
  // One that was made ready for questions which do not come ends, too.
  const running = () => folders().filter((path) => path.includes("engine-"))
  await eventually(() => expect(running()).toEqual([]))
  await run(second.engine.prepare)
  expect(running()).not.toEqual([])
  await eventually(() => expect(running()).toEqual([]))
  await second.scope.close()
  await run(second.engine.prepare)
  expect(running()).toEqual([])
})
