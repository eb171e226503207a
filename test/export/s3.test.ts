/** Exports to object storage: a real server, with a line before it that may fail. */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { beforeAll, describe, expect, test } from "vitest"
import { bucketAddress, loadObjectStorage, type ObjectStorage } from "../../src/config/objectStorage.ts"
import { openBucket } from "../../src/export/bucket.ts"
import { COLUMNS } from "../../src/export/columns.ts"
import { type ExportedDay, exportDays } from "../../src/export/export.ts"
import { makeParquet } from "../../src/export/files.ts"
import { refusalOf } from "../../src/export/refusal.ts"
import { bucketUrl } from "../../src/export/s3.ts"
import { eraseRows } from "../../src/privacy/eraseRows.ts"
import { openDatabase } from "../../src/query/engine/database.ts"
import type { Postgres } from "../../src/stores/postgres.ts"
import { runCommand } from "../support/commandLine.ts"
import { run } from "../support/effects.ts"
import { event, freshEvents, rows, store } from "../support/events.ts"
import { freshKeyPrefix, redisUrl, temporaryFolder } from "../support/index.ts"
import { before, type Fate, KEYS, startObjectStorage, wantsObjectStorage } from "../support/objectStorage.ts"
import { shared } from "../support/whenFinished.ts"

const NOW = Date.parse("2026-03-31T10:00:00Z")
const [ERASED, OTHER] = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"]

const EVENTS = [
  event({ createdAt: Date.parse("2026-03-28T12:00:00Z"), visitorId: OTHER }),
  event({ createdAt: Date.parse("2026-03-29T12:00:00Z"), visitorId: ERASED }),
  event({
    createdAt: Date.parse("2026-03-29T13:00:00Z"),
    visitorId: OTHER,
    data: { text: "é".repeat(5000) },
  }),
  event({ createdAt: Date.parse("2026-03-30T12:00:00Z"), visitorId: ERASED }),
  event({ createdAt: Date.parse("2026-03-29T12:00:00Z"), site: "blog" }),
]

const WRITTEN = [
  "blog 2026-03-29 1 written",
  "main 2026-03-28 1 written",
  "main 2026-03-29 2 written",
  "main 2026-03-30 1 written",
]
const UNCHANGED = WRITTEN.map((day) => day.replace("written", "unchanged"))

/** So that a day's file has several. */
const PART_BYTES = 1000

/** Exports days; returns what became of each. */
const exportTo = async (postgres: Postgres, storage: ObjectStorage, to: string) => {
  const days: Array<ExportedDay> = []
  const workFolder = join(temporaryFolder(), "work")
  const address = bucketAddress(to)
  if (address === null) throw new Error(to)
  await run(
    Effect.gen(function* () {
      const options = { address, storage, workFolder, partBytes: PART_BYTES, firstPauseMs: 1 }
      const target = yield* openBucket(options)
      const makeFile = makeParquet(yield* openDatabase(target.work, 256 * 1024 * 1024))
      const onDay = (day: ExportedDay) => Effect.sync(() => void days.push(day))
      const all = { site: null, from: null, until: null, now: () => NOW, onDay }
      yield* exportDays({ ...all, postgres, target, format: "parquet", makeFile })
    }).pipe(Effect.scoped),
  ).finally(() => expect(readdirSync(workFolder)).toEqual([]))
  return days.map(({ site, day, outcome, events }) => `${site} ${day} ${events} ${outcome}`)
}

/** What DuckDB reads from a folder. */
const readBack = (folder: string) =>
  run(
    Effect.scoped(
      Effect.flatMap(openDatabase(folder, 256 * 1024 * 1024), (database) =>
        database.rows(
          `SELECT ${[...Object.keys(COLUMNS), "site"].join()} FROM read_parquet('${folder}/**/*.parquet', hive_partitioning = true) ORDER BY id`,
        ),
      ),
    ),
  )

/** Names of the objects below a prefix. */
const objectsIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort()

/** A part of an upload. */
const PART = /^PUT .*[?&]partNumber=(\d+)/

describe("an export to a bucket", wantsObjectStorage, () => {
  let server: Awaited<ReturnType<typeof startObjectStorage>>
  beforeAll(() =>
    shared(async () => {
      server = await startObjectStorage("exports")
    }),
  )

  const deployment = async () => {
    const { postgres, url } = await freshEvents()
    await store(postgres, EVENTS)
    return { postgres, url }
  }

  test("is read back by DuckDB, and goes on from what is there, over a line that fails", async () => {
    const { postgres } = await deployment()
    const failed = new Set<string>()
    // Whatever is asked fails once: cut off in the middle of a part, refused for the moment otherwise.
    const fateOf = (line: string): Fate => {
      if (failed.has(line)) return "on"
      failed.add(line)
      return PART.test(line) ? "cut" : 503
    }
    const { storage, asked } = await before(server.storage, fateOf)
    const [to, folder] = ["s3://exports/a b/events", join(server.folder, "a b/events")]
    expect(await exportTo(postgres, storage, to)).toEqual(WRITTEN)
    expect(asked.some((line) => PART.exec(line)?.[1] === "3")).toBe(true)
    expect(objectsIn(folder)).toEqual(
      [
        ...WRITTEN.map((line) => line.replace(/^(\w+) ([\d-]+) .*$/, "site=$1/day=$2/events.parquet")),
        ...["blog", "main"].map((site) => `site=${site}/_manifest.json`),
      ].sort(),
    )
    const stored = await rows(
      postgres,
      "SELECT id::text, visitor_id::text, event_type, page_url, event_data, site FROM analytics_events ORDER BY id",
    )
    expect(
      (await readBack(folder)).map(({ id, visitor_id, event_type, page_url, event_data, site }) => ({
        ...{ id, visitor_id, event_type, page_url, site },
        event_data: typeof event_data === "string" ? JSON.parse(event_data) : event_data,
      })),
    ).toEqual(stored)

    expect(await exportTo(postgres, storage, to)).toEqual(UNCHANGED)
    await run(eraseRows(postgres, ERASED))
    expect(await exportTo(postgres, storage, `${to}/`)).toEqual([
      "blog 2026-03-29 1 unchanged",
      "main 2026-03-28 1 unchanged",
      "main 2026-03-29 1 again",
      "main 2026-03-30 0 removed",
    ])
    expect((await readBack(folder)).map(({ visitor_id }) => visitor_id)).not.toContain(ERASED)
    expect(objectsIn(folder)).toHaveLength(5)
  })

  test("leaves a file as it was whose upload fails, and nothing of the upload", async () => {
    const { postgres } = await deployment()
    await exportTo(postgres, server.storage, "s3://exports/half")
    const folder = join(server.folder, "half")
    const had = await readBack(folder)
    await run(eraseRows(postgres, ERASED))
    const { storage, asked } = await before(server.storage, (line) =>
      PART.exec(line)?.[1] === "2" ? 500 : "on",
    )
    await expect(exportTo(postgres, storage, "s3://exports/half")).rejects.toThrow(
      /^http:\/\/127\.0\.0\.1:\d+ could not do it \(500\)\.$/,
    )
    expect(asked.filter((line) => PART.exec(line)?.[1] === "2")).toHaveLength(9)
    expect(asked.filter((line) => /^DELETE .*events\.parquet\?uploadId=/.test(line))).toHaveLength(1)
    expect(await readBack(folder)).toEqual(had)
    expect(await exportTo(postgres, server.storage, "s3://exports/half")).toContain("main 2026-03-29 1 again")
  })

  test("is made by command, which says what is wrong", async () => {
    const { url } = await deployment()
    const { accessKeyId, secretAccessKey, endpoint } = server.storage
    const settings = {
      ...{ REDIS_URL: redisUrl(), DATABASE_URL: url, REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", "") },
      ...{ DATA_DIR: temporaryFolder(), LOG_LEVEL: "error" },
      ...{ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
      AWS_ENDPOINT_URL: endpoint ?? "",
    }
    const command = (to: string, given: { readonly [name: string]: string } = {}) =>
      runCommand({ ...settings, ...given }, "export", "ndjson", "--to", to)
    expect(await command("s3://exports")).toContain(
      "4 days written, of 5 events; 0 were there already. The days are in s3://exports.",
    )
    await expect(command("s3://another/x")).rejects.toThrow(`There is no bucket another at ${endpoint}: `)
    await expect(command("s3://exports", { AWS_SECRET_ACCESS_KEY: "wrong" })).rejects.toThrow(
      `${endpoint} does not accept AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY`,
    )
  })
})

test("a storage that cannot be reached is named, with the reason", async () => {
  const storage = { ...KEYS, sessionToken: null, region: "us-east-1", endpoint: "http://127.0.0.1:2" }
  const target = { address: { bucket: "exports", prefix: "" }, storage, workFolder: temporaryFolder() }
  const read = Effect.flatMap(openBucket({ ...target, firstPauseMs: 1 }), (bucket) => bucket.read("x"))
  await expect(run(Effect.scoped(read))).rejects.toThrow(
    "http://127.0.0.1:2 cannot be reached (ECONNREFUSED): are AWS_ENDPOINT_URL and AWS_REGION right?",
  )
})

describe("an answer that is no success", () => {
  const error = (code: string, more = "") =>
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>Words &amp; more.</Message>${more}</Error>`

  test.each([
    [404, null, error("NoSuchBucket"), false, "There is no bucket b at https://s3.example: "],
    [403, null, error("InvalidAccessKeyId"), false, "does not accept AWS_ACCESS_KEY_ID"],
    [403, null, error("SignatureDoesNotMatch"), false, "does not accept AWS_ACCESS_KEY_ID"],
    [400, null, error("ExpiredToken"), false, "AWS_SESSION_TOKEN where it is set (ExpiredToken)"],
    [403, null, error("RequestTimeTooSkewed"), false, "whose clock has to be set"],
    [403, null, error("AccessDenied"), false, "an export needs s3:ListBucket, s3:GetObject, s3:PutObject"],
    [403, null, "", false, "may not use the bucket b so (403)"],
    [
      301,
      "eu-west-3",
      error("PermanentRedirect"),
      false,
      "is in the region eu-west-3: set AWS_REGION=eu-west-3.",
    ],
    [
      ...[400, null, error("AuthorizationHeaderMalformed", "<Region>eu-west-3</Region>"), false],
      "set AWS_REGION=eu-west-3.",
    ],
    [307, null, "", false, "The bucket b answers elsewhere than https://s3.example"],
    [200, null, "<html>", false, "https://s3.example does not answer as S3 does (200)"],
    [404, null, "Not found", false, "does not answer as S3 does (404): is AWS_ENDPOINT_URL right?"],
    [400, null, error("EntityTooSmall"), false, "could not do it (EntityTooSmall): Words & more."],
    [400, null, error("RequestTimeout"), true, "could not do it (RequestTimeout)"],
    [503, null, error("SlowDown"), true, "could not do it (SlowDown)"],
    [200, null, error("InternalError"), true, "could not do it (InternalError)"],
    [502, null, "<html>", true, "could not do it (502)."],
    [429, null, error("TooManyRequests"), true, "could not do it (TooManyRequests)"],
  ] as const)("%i %s %s", (status, region, body, passes, message) => {
    const refusal = refusalOf({ status, region, body }, { bucket: "b", endpoint: "https://s3.example" })
    expect(refusal).toMatchObject({ passes, message: expect.stringContaining(message) })
  })
})

test.each([
  ["s3://exports", { bucket: "exports", prefix: "" }],
  ["s3://exports/", { bucket: "exports", prefix: "" }],
  ["s3://my.exports/a/b/", { bucket: "my.exports", prefix: "a/b" }],
  ["s3://", null],
  ["s3://Exports", null],
  ["s3://exports//a", null],
  ["s3://exports/a/../b", null],
  ["gs://exports", null],
])("%s is where an export goes to, or refused", (text, address) => {
  expect(bucketAddress(text)).toEqual(address)
})

describe("object storage", () => {
  const load = (variables: { readonly [name: string]: string }) =>
    run(Effect.provide(loadObjectStorage, ConfigProvider.layer(ConfigProvider.fromUnknown(variables))))
  const keys = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" }
  const amazon = {
    ...{ accessKeyId: "id", secretAccessKey: "secret", sessionToken: null },
    ...{ region: "us-east-1", endpoint: null },
  }

  test("is reached as the variables of the environment say", async () => {
    expect(await load(keys)).toEqual(amazon)
    expect(await load({ ...keys, AWS_DEFAULT_REGION: "eu-west-3", AWS_SESSION_TOKEN: "token" })).toEqual({
      ...{ ...amazon, region: "eu-west-3", sessionToken: "token" },
    })
    const endpoints = { AWS_ENDPOINT_URL: "http://a.example", AWS_ENDPOINT_URL_S3: "https://b.example/s3/" }
    expect(await load({ ...keys, ...endpoints, AWS_REGION: "auto" })).toEqual({
      ...{ ...amazon, region: "auto", endpoint: "https://b.example/s3" },
    })
    await expect(load({ AWS_ACCESS_KEY_ID: "id" })).rejects.toThrow("AWS_SECRET_ACCESS_KEY have to be set")
    await expect(load({ ...keys, AWS_ENDPOINT_URL: "a.example" })).rejects.toThrow(
      'AWS_ENDPOINT_URL is "a.example": it should be an address that begins with http:// or https://.',
    )
  })

  test("has a bucket in its host's name at Amazon, and in the path elsewhere", () => {
    expect(bucketUrl("exports", amazon)).toBe("https://exports.s3.us-east-1.amazonaws.com")
    expect(bucketUrl("my.exports", amazon)).toBe("https://s3.us-east-1.amazonaws.com/my.exports")
    expect(bucketUrl("exports", { ...amazon, endpoint: "http://a.example" })).toBe("http://a.example/exports")
  })
})
