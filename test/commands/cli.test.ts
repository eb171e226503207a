import { randomUUID } from "node:crypto"
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import { describe, expect, test } from "vitest"
import { DAY_MS } from "../../src/domain/time.ts"
import { streamKeys } from "../../src/stores/redisKeys.ts"
import { commandLine } from "../support/commandLine.ts"
import { run as runEffect } from "../support/effects.ts"
import { connect, event, store } from "../support/events.ts"
import { freshDatabase, temporaryFolder } from "../support/index.ts"

test("a deployment is migrated, retained and rebuilt by command", async () => {
  const { run } = await commandLine(await freshDatabase())
  expect(await run("migrate")).toBe("The schema is up to date.")
  expect(await run("migrate")).toBe("The schema is up to date.")
  expect(await run("retention", "--dry-run")).toMatch(/^0 events before .* would go\.$/)
  expect(await run("retention", "--days", "1", "--cursor")).toMatch(
    /^0 events before .* went, in \d+ ms, \d+ of them deleting\.$/,
  )
  expect(await run("rebuild")).toMatch(/^Partition 0: 0 days .*\nPartition 1: 0 days/)
})

test("a zone is kept by the name that the setting has, whichever of its names the command was given", async () => {
  const { run, settings: start } = await commandLine()
  await run("migrate")
  const moved = await run("rebuild", "--time-zone", "Asia/Kolkata")
  const zone = /TIME_ZONE=(\S+) from now on/.exec(moved)?.[1] ?? ""
  expect(moved).toContain("0 events counted again")
  for (const name of [zone, "Asia/Kolkata", "Asia/Calcutta"]) {
    start.TIME_ZONE = name
    expect(await run("rebuild")).not.toContain("from now on")
  }
  await expect(run("rebuild", "--time-zone", "Mars/Phobos")).rejects.toThrow(
    '--time-zone is "Mars/Phobos": it should be an IANA time zone such as UTC or Europe/Paris.',
  )
})

test("dead letters are listed, replayed and dropped by command", async () => {
  const { run, redis, prefix } = await commandLine()
  await run("migrate")
  const { dead, events } = streamKeys(prefix, 1)
  const ids: Array<string> = []
  for (let i = 0; i < 120; i++) {
    ids.push(
      (await redis.xadd(dead, "*", "e", `payload ${i}`, "reason", "It is bad.", "entry", `${i}-0`)) ?? "",
    )
  }
  const all = (await run("dead-letters", "list", "--json", "--limit", "500"))
    .split("\n")
    .map((line) => JSON.parse(line))
  expect(all).toHaveLength(120)
  expect(all[7]).toEqual({
    partition: 1,
    id: ids[7],
    entry: "7-0",
    reason: "It is bad.",
    payload: "payload 7",
  })
  expect(await run("dead-letters", "list", "--limit", "2")).toContain(`1/${ids[0]}  It is bad.\n  payload 0`)
  expect(await run("dead-letters", "drop", `1/${ids[0]}`)).toBe(`1/${ids[0]}: dropped.`)
  expect(await run("dead-letters", "replay", `1/${ids[1]}`)).toBe(`1/${ids[1]}: sent through again.`)
  await expect(run("dead-letters", "replay", `1/${ids[1]}`)).rejects.toThrow(/no dead letter/)
  await expect(run("dead-letters", "drop", "2/1-0")).rejects.toThrow("There is no dead letter 2/1-0.")
  expect(await run("dead-letters", "replay", "all")).toBe("118 sent through again.")
  expect(await redis.xlen(dead)).toBe(0)
  expect(await redis.xlen(events)).toBe(119)
  expect(await run("dead-letters", "list")).toBe("There are no dead letters.")
})

test("health fails, in a sentence, where nothing answers", async () => {
  const { run } = await commandLine()
  await expect(run("health", "--url", "http://127.0.0.1:1")).rejects.toThrow(
    /http:\/\/127\.0\.0\.1:1 does not answer/,
  )
})

describe("a retention that would delete what RETENTION_DAYS keeps", () => {
  const DAYS_AGO = [0, 10, 10, 20, 100]
  const deployment = async () => {
    const line = await commandLine()
    await line.run("migrate")
    const postgres = await connect(line.settings.DATABASE_URL ?? "")
    // Of one moment, so that those of ten days ago are of one day, and it is known of which.
    const at = Date.now()
    const daysAgo = (days: number) => at - days * DAY_MS
    await store(
      postgres,
      DAYS_AGO.map((days) => event({ createdAt: daysAgo(days) })),
    )
    const rows = async () => {
      const [row] = await runEffect(
        postgres.query<{ rows: string }>("test", "SELECT sum(events) AS rows FROM event_chunks"),
      )
      return Number(row?.rows)
    }
    return { ...line, rows, daysAgo }
  }

  test("says how much and from when, and wants to be told", async () => {
    const { run, rows, daysAgo } = await deployment()
    const earliest = new Date(daysAgo(20)).toISOString().slice(0, 10)
    await expect(run("retention", "--days", "5")).rejects.toThrow(
      `--days is 5, and RETENTION_DAYS is 90: 3 events that are to be kept would go, of 2 days from ${earliest} on. Nothing was deleted. If they shall go, add --yes.`,
    )
    expect(await rows()).toBe(5)
    expect(await run("retention", "--days", "5", "--dry-run")).toContain("4 events before")
    expect(await rows()).toBe(5)
    expect(await run("retention", "--days", "5", "--yes")).toContain("4 events before")
    expect(await rows()).toBe(1)
  })

  test("need not be told where it would delete no more, or where the setting says the same", async () => {
    const { run, rows, settings } = await deployment()
    expect(await run("retention", "--days", "50")).toContain("1 events before")
    expect(await run("retention", "--days", "3650")).toContain("0 events before")
    settings.RETENTION_DAYS = "15"
    expect(await run("retention")).toContain("1 events before")
    expect(await rows()).toBe(3)
  })
})

test("a visitor is erased from archives as well, of events before the erasure only", async () => {
  const { run, settings } = await commandLine()
  await run("migrate")
  const folder = temporaryFolder()
  settings.RETENTION_ARCHIVE_DIR = folder
  const postgres = await connect(settings.DATABASE_URL ?? "")
  const [erased, other] = [randomUUID(), randomUUID()]
  const createdAt = Date.now() - 100 * DAY_MS
  const old = (visitorId: string) => event({ visitorId, createdAt })
  await store(postgres, [old(erased), old(other), old(erased)])
  await run("retention")
  const [name = ""] = readdirSync(folder)
  const path = join(folder, name)
  const archived = () =>
    gunzipSync(readFileSync(path))
      .toString()
      .trimEnd()
      .split("\n")
      .map((line): { visitor_id: string } => JSON.parse(line))
  // One of the visitor who has come back, as a later night archives it.
  const later = {
    ...archived()[0],
    visitor_id: erased,
    created_at: new Date(Date.now() + DAY_MS).toISOString(),
  }
  appendFileSync(path, gzipSync(`${JSON.stringify(later)}\n`))
  expect(archived()).toHaveLength(4)
  await store(postgres, [event({ visitorId: erased, createdAt: Date.now() })])
  const [done, site, receipt, letters, beyond, archives] = (await run("erase", erased)).split("\n")
  expect(done).toBe(`1 events of ${erased} were erased.`)
  expect(receipt).toMatch(/^receipt [0-9a-f-]{36}, \S+Z, by command$/)
  expect([letters, beyond]).toEqual(["dead letters\t0", "not reached\tarchives, exports, backups"])
  expect(site).toMatch(/^main\t1 events, \S+Z to \S+Z$/)
  expect(archives).toBe(`2 events went from the archives in ${folder}.`)
  expect(archived().map(({ visitor_id }) => visitor_id)).toEqual([other, erased])
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(await run("erase", "archives")).toBe(`0 events went from the archives in ${folder}.`)
  expect(readdirSync(folder)).toEqual([name])
  writeFileSync(path, "no archive")
  await expect(run("erase", "archives")).rejects.toThrow(`Archives in ${folder} were not all rewritten`)
  settings.RETENTION_ARCHIVE_DIR = ""
  await expect(run("erase", "archives")).rejects.toThrow(
    "There are no archives: RETENTION_ARCHIVE_DIR should be",
  )
})
