import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { encodeFact } from "../../src/domain/dimensions.ts"
import type { StreamEvent } from "../../src/domain/event.ts"
import { Calendar } from "../../src/domain/period.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { compact } from "../../src/events/chunks/compaction.ts"
import { runRetention } from "../../src/events/retention/retention.ts"
import { COLUMNS, lineMaker } from "../../src/export/columns.ts"
import { type ExportedDay, type ExportOptions, exportDays } from "../../src/export/export.ts"
import { type Format, makeNdjson, makeParquet } from "../../src/export/files.ts"
import { openFolder } from "../../src/export/folder.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { eraseRows } from "../../src/privacy/eraseRows.ts"
import { openDatabase } from "../../src/query/engine/database.ts"
import { eraseSiteIn } from "../../src/sites/erase.ts"
import type { Postgres } from "../../src/stores/postgres.ts"
import { mixed, storeInBatches } from "../support/chunks.ts"
import { commandLine } from "../support/commandLine.ts"
import { codes, read, section } from "../support/documents.ts"
import { run } from "../support/effects.ts"
import { connect, event, freshEvents, rows, store } from "../support/events.ts"
import { temporaryFolder } from "../support/index.ts"

const NOW = Date.parse("2026-03-31T10:00:00Z")
/** The day of Europe/Paris that has 23 hours. */
const SHORT_DAY = "2026-03-29"
const [ERASED, OTHER] = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"]

const facts = {
  origin: encodeFact("origin", {
    source: "Google",
    channel: "Organic Search",
    referrer: "https://google.com/",
  }),
  client: encodeFact("client", { browser: "Chrome", country: "FR", bot: "crawler" }),
  label: encodeFact("label", { title: 'A "title"', name: "Größe geändert" }),
  bot: true,
}

const at = (time: string, given: Partial<StreamEvent> = {}) =>
  event({ createdAt: Date.parse(time), ...given })

/** Of three days of Europe/Paris that have ended, and the one that goes on; and of another site. */
const EVENTS = [
  at("2026-03-28T22:59:59.999Z", { visitorId: OTHER }),
  at("2026-03-28T23:00:00.000Z", {
    visitorId: ERASED,
    facts,
    pageUrl: "https://cv.example/a/../b?utm_source=x&theme=1",
  }),
  at("2026-03-29T21:59:59.999Z", {
    visitorId: OTHER,
    referrer: "https://a.example/",
    type: "form_submit",
    data: { price: 1.5, text: "\u0001\\u0000é\n" },
  }),
  at("2026-03-29T22:00:00.000Z", { visitorId: ERASED }),
  at("2026-03-30T22:00:00.000Z", { visitorId: OTHER }),
  at("2026-03-29T12:00:00.000Z", { site: "blog" }),
]

const deployment = async (events: ReadonlyArray<StreamEvent> = EVENTS) => {
  const { postgres } = await freshEvents({ timeZone: "Europe/Paris" })
  await storeInBatches(postgres, events, 1)
  return { postgres, to: join(temporaryFolder(), "exports") }
}

type Given = Partial<Omit<ExportOptions, "target" | "makeFile">>

/** Exports days; returns what became of each. */
const exportTo = async (postgres: Postgres, to: string, format: Format, given: Given = {}) => {
  const days: Array<ExportedDay> = []
  const onDay = (day: ExportedDay) => Effect.sync(() => days.push(day)).pipe(Effect.asVoid)
  await run(
    Effect.gen(function* () {
      const target = yield* openFolder(to)
      const makeFile =
        format === "ndjson" ? makeNdjson : makeParquet(yield* openDatabase(target.work, 256 * 1024 * 1024))
      const all = { site: null, from: null, until: null, now: () => NOW, onDay }
      yield* exportDays({ ...all, ...given, postgres, target, format, makeFile })
    }).pipe(Effect.scoped),
  )
  return days.map(({ site, day, outcome, events }) => `${site} ${day} ${events} ${outcome}`)
}

/** What DuckDB reads from a folder. */
const readBack = (to: string, format: Format, columns = "*") =>
  run(
    Effect.scoped(
      Effect.gen(function* () {
        const database = yield* openDatabase(to, 256 * 1024 * 1024)
        const files = { parquet: "read_parquet('%/**/*.parquet'", ndjson: "read_json('%/**/*.ndjson.gz'" }[
          format
        ]
        return yield* database.rows(
          `SELECT ${columns} FROM ${files.replace("%", to)}, hive_partitioning = true) ORDER BY id`,
        )
      }),
    ),
  )

/** The files of days that a folder has. */
const filesIn = (to: string) =>
  readdirSync(to, { recursive: true, encoding: "utf8" })
    .filter((path) => /events\.(parquet|ndjson\.gz)$/.test(path))
    .sort()

const WRITTEN = [
  "blog 2026-03-29 1 written",
  "main 2026-03-28 1 written",
  "main 2026-03-29 2 written",
  "main 2026-03-30 1 written",
]
const UNCHANGED = WRITTEN.map((day) => day.replace("written", "unchanged"))

/** What Postgres has of the days that have ended, by the names that an export has. */
const stored = async (postgres: Postgres) => {
  const found = await rows(
    postgres,
    `SELECT *, to_char(created_at AT TIME ZONE 'Europe/Paris', 'YYYY-MM-DD') AS day FROM analytics_events
     WHERE created_at < '2026-03-30T22:00:00Z' ORDER BY id`,
  )
  return found.map(({ site_id, ...row }) => row)
}

/** An event as it was exported, as Postgres has it. */
const asStored = ({ page, host, day, event_data, ...row }: Record<string, unknown>) => ({
  ...row,
  day: day instanceof Date ? day.toISOString().slice(0, 10) : day,
  event_data: typeof event_data === "string" ? JSON.parse(event_data) : event_data,
})

describe("an export", () => {
  test("is read back by DuckDB as it was stored", async () => {
    const { postgres, to } = await deployment()
    await storeInBatches(postgres, mixed(700, Date.parse("2026-03-27T12:00:00Z"), 300_000), 200)
    await exportTo(postgres, to, "parquet")
    await exportTo(postgres, to, "ndjson")
    const expected = await stored(postgres)
    expect(expected.length).toBeGreaterThan(700)
    const columns = [...Object.keys(COLUMNS), "site", "day"].join()
    expect((await readBack(to, "parquet", columns)).map(asStored)).toEqual(expected)
    const found = await readBack(to, "ndjson", "id, visitor_id, event, country, is_bot, site")
    expect(found).toEqual(
      expected.map(({ id, visitor_id, event, country, is_bot, site }) => ({
        ...{ id, visitor_id, event, country, is_bot, site },
      })),
    )
    const lines = filesIn(to)
      .filter((path) => path.endsWith(".gz"))
      .flatMap((path) =>
        gunzipSync(readFileSync(join(to, path)))
          .toString()
          .trimEnd()
          .split("\n"),
      )
      .map((line): Record<string, unknown> => JSON.parse(line))
      .sort((a, b) => (String(a.id) < String(b.id) ? -1 : 1))
    expect(lines.map(asStored)).toEqual(
      expected.map(({ site, day, created_at, ...row }) => ({
        ...{ ...row, created_at: created_at instanceof Date ? created_at.toISOString() : null },
        day: undefined,
      })),
    )
  })

  test("has a file for each site and day that has ended, and writes nothing again", async () => {
    const { postgres, to } = await deployment()
    expect(await exportTo(postgres, to, "parquet")).toEqual(WRITTEN)
    expect(filesIn(to)).toEqual(
      WRITTEN.map((line) => line.replace(/^(\w+) ([\d-]+) .*$/, "site=$1/day=$2/events.parquet")),
    )
    expect(statSync(join(to, `site=main/day=${SHORT_DAY}/events.parquet`)).mode & 0o777).toBe(0o600)
    expect(readdirSync(to)).toEqual(["site=blog", "site=main"])
    expect(await exportTo(postgres, to, "parquet")).toEqual(UNCHANGED)
    const merged = await run(
      compact(postgres, { now: NOW + DAY_MS, busy: false, metrics: new Metrics("test_") }),
    )
    expect(merged).toBeGreaterThan(0)
    expect(await exportTo(postgres, to, "parquet")).toEqual(UNCHANGED)
    // The other format has files of its own.
    expect(await exportTo(postgres, to, "ndjson")).toEqual(WRITTEN)
    expect(await exportTo(postgres, to, "parquet")).toEqual(UNCHANGED)
  })

  test("writes days again that have changed, and removes those without an event", async () => {
    const { postgres, to } = await deployment()
    await exportTo(postgres, to, "parquet")
    await run(eraseRows(postgres, ERASED))
    await store(postgres, [at("2026-03-28T12:00:00Z")])
    expect(await exportTo(postgres, to, "parquet")).toEqual([
      "blog 2026-03-29 1 unchanged",
      "main 2026-03-28 2 again",
      "main 2026-03-29 1 again",
      "main 2026-03-30 0 removed",
    ])
    expect((await readBack(to, "parquet")).map(({ visitor_id }) => visitor_id)).not.toContain(ERASED)
    expect(existsSync(join(to, "site=main/day=2026-03-30"))).toBe(false)
    truncateSync(join(to, "site=blog/day=2026-03-29/events.parquet"), 10)
    expect(await exportTo(postgres, to, "parquet")).toContain("blog 2026-03-29 1 again")
  })

  test("keeps days whose events have expired since, and writes none that is not whole", async () => {
    const { postgres, to } = await deployment()
    await exportTo(postgres, to, "ndjson", { from: SHORT_DAY, site: "main" })
    const file = readFileSync(join(to, `site=main/day=${SHORT_DAY}/events.ndjson.gz`))
    await rows(postgres, "UPDATE deployment SET raw_since = '2026-03-29T12:00:00Z'")
    await run(eraseRows(postgres, ERASED))
    expect(await exportTo(postgres, to, "ndjson")).toEqual([
      "blog 2026-03-29 1 expired",
      "main 2026-03-28 1 expired",
      "main 2026-03-29 1 unchanged",
      "main 2026-03-30 0 removed",
    ])
    expect(readFileSync(join(to, `site=main/day=${SHORT_DAY}/events.ndjson.gz`))).toEqual(file)
  })

  test("keeps the days that a site's own retention has taken, and writes those of others", async () => {
    const { postgres, to } = await deployment()
    await exportTo(postgres, to, "ndjson", { from: SHORT_DAY, site: "main" })
    const before = filesIn(to)
    await rows(postgres, "INSERT INTO declared_sites (slug, retention_days) VALUES ('main', 1)")
    const retained = await run(
      runRetention(postgres, {
        ...{ retentionDays: 90, archiveDir: null, dryRun: false, now: NOW, metrics: new Metrics("test_") },
        ...{ calendar: new Calendar("Europe/Paris"), partitions: 2, uniquesOf: () => Effect.succeed(0) },
      }),
    )
    expect(retained).toMatchObject({ skipped: false, rows: 4 })
    // Of a day that is not whole any more, and was not exported before.
    await store(postgres, [at("2026-03-28T12:00:00Z")])
    expect(await exportTo(postgres, to, "ndjson")).toEqual([
      "blog 2026-03-29 1 written",
      "main 2026-03-28 1 expired",
    ])
    expect(filesIn(to).filter((path) => path.startsWith("site=main"))).toEqual(before)
  })

  test("lets the days of an erased site go, also where it was ended meanwhile, and begins again with the site", async () => {
    const { postgres, to } = await deployment([...EVENTS, at("2026-03-28T12:00:00Z", { site: "blog" })])
    await exportTo(postgres, to, "ndjson")
    await run(postgres.transaction("test", (sql) => eraseSiteIn(sql, "blog", { removed: true, now: NOW })))
    const onDay = ({ outcome }: ExportedDay) =>
      outcome === "removed" ? Effect.die(new Error("ended")) : Effect.void
    await expect(exportTo(postgres, to, "ndjson", { onDay })).rejects.toThrow("ended")
    const ofBlog = () => filesIn(to).filter((path) => path.startsWith("site=blog"))
    expect(ofBlog()).toEqual(["site=blog/day=2026-03-29/events.ndjson.gz"])
    expect(await exportTo(postgres, to, "ndjson")).toEqual([
      "blog 2026-03-29 0 removed",
      ...UNCHANGED.slice(1),
    ])
    expect(ofBlog()).toEqual([])
    expect(await exportTo(postgres, to, "ndjson", { site: "blog" })).toEqual([])
    await store(postgres, [at("2026-03-29T13:00:00.000Z", { site: "blog" })])
    expect(await exportTo(postgres, to, "ndjson", { site: "blog" })).toEqual(["blog 2026-03-29 1 written"])
    expect((await readBack(to, "ndjson")).filter(({ site }) => site === "blog")).toHaveLength(1)
  })

  test("that was ended goes on where it was", async () => {
    const { postgres, to } = await deployment()
    const onDay = ({ site }: ExportedDay) => (site === "main" ? Effect.die(new Error("ended")) : Effect.void)
    await expect(exportTo(postgres, to, "parquet", { onDay })).rejects.toThrow("ended")
    expect(filesIn(to)).toHaveLength(2)
    // Of a process that was killed; there can be none of this number.
    mkdirSync(join(to, "_unfinished.999999999"))
    writeFileSync(join(to, "_unfinished.999999999", "day.parquet"), "half")
    expect(await exportTo(postgres, to, "parquet")).toEqual([...UNCHANGED.slice(0, 2), ...WRITTEN.slice(2)])
    expect(readdirSync(to)).toEqual(["site=blog", "site=main"])
  })

  test("goes into no other deployment's folder, and over no manifest that it does not know", async () => {
    const { postgres, to } = await deployment()
    await exportTo(postgres, to, "ndjson")
    const manifest = join(to, "site=main/_manifest.json")
    writeFileSync(
      manifest,
      readFileSync(manifest, "utf8").replace(/"deployment": "[^"]*"/, '"deployment": "other"'),
    )
    await expect(exportTo(postgres, to, "ndjson")).rejects.toThrow("has what another deployment exported")
    writeFileSync(manifest, "{}")
    await expect(exportTo(postgres, to, "ndjson")).rejects.toThrow(`${manifest} is no manifest`)
  })
})

test("days are exported by command", async () => {
  const { run: command, settings } = await commandLine()
  await command("migrate")
  await store(await connect(settings.DATABASE_URL ?? ""), EVENTS)
  const to = join(temporaryFolder(), "exports")
  const asked = ["export", "parquet", "--to", to, "--site", "main", "--until", SHORT_DAY]
  expect(await command(...asked)).toBe(
    [
      "main  2026-03-28  2 events written",
      "main  2026-03-29  2 events written",
      `2 days written, of 4 events; 0 were there already. The days are in ${to}.`,
    ].join("\n"),
  )
  expect(await command(...asked, "--from", SHORT_DAY)).toBe(
    `0 days written, of 0 events; 1 were there already. The days are in ${to}.`,
  )
  expect(await readBack(to, "parquet")).toHaveLength(4)
  await expect(command(...asked, "--from", "2026-03-30")).rejects.toThrow(
    "--from is 2026-03-30, which is after --until, 2026-03-29.",
  )
  await expect(command("export", "ndjson", "--to", to, "--site", "none")).rejects.toThrow(
    "There is no site none: there is blog, main.",
  )
  await expect(command("export", "ndjson", "--to", "/dev/null/exports")).rejects.toThrow(
    "/dev/null/exports cannot be used: ENOTDIR",
  )
})

test("a line has every column, in their order", () => {
  const row = {
    ...{
      id: OTHER,
      visitor_id: ERASED,
      at: NOW,
      event_type: "page_view",
      event_data: '{"a":1.50}',
      page_url: "/b?ref=x",
    },
    ...{ referrer: null, bots: false, origin: facts.origin, client: null, label: facts.label },
  }
  const nested = JSON.parse(lineMaker(true)(row))
  expect(Object.keys(nested)).toEqual(Object.keys(COLUMNS))
  expect(nested).toMatchObject({
    ...{ event: "Größe geändert", title: 'A "title"', page: "/b", host: null, event_data: { a: 1.5 } },
    ...{ source: "Google", referred_from: "https://google.com/", medium: null, browser: null },
  })
  expect(JSON.parse(lineMaker(false)(row))).toMatchObject({ event_data: '{"a":1.50}' })
})

test("docs/operations.md names every column", () => {
  expect(codes(section(read("docs/operations.md"), "Exports"))).toEqual(
    expect.arrayContaining(Object.keys(COLUMNS)),
  )
})
