import { join } from "node:path"
import { expect, test } from "vitest"
import { embeddedPostgres } from "../../src/embedded/index.ts"
import { temporaryFolder } from "../support/index.ts"
import { inPostgres, inRedis, note, noted, redisIn, use } from "./running.ts"

test.each([
  ["spaces", " two  words "],
  ["quotes", `a "quoted" folder's`],
  ["backslashes", "back\\slash\\"],
  ["quotes after backslashes", 'b\\"\\\\"\\n'],
  ["a line break and a tab", "two\nlines\tand #a comment"],
  ["what shells and globs expand", "$HOME `id` {a,b} [xyz] * ?; & | <>"],
  ["other scripts", "données 数据 🗂"],
  [
    "more characters than the name of a socket may have",
    join("x".repeat(200), "y".repeat(200), "z".repeat(200)),
  ],
])("a data folder whose path has %s holds both stores, which keep their data", async (_, name) => {
  const dataDir = join(temporaryFolder(), name)
  const redis = async () => {
    await use(redisIn(dataDir), ({ url }) => inRedis(url, (each) => each.set("key", "kept")))
    await use(redisIn(dataDir), ({ url }) =>
      inRedis(url, async (each) => {
        expect(await each.get("key")).toBe("kept")
        expect(await each.config("GET", "appendonly")).toEqual(["appendonly", "yes"])
      }),
    )
  }
  const postgres = async () => {
    await use(embeddedPostgres({ dataDir }), ({ url }) => inPostgres(url, note))
    await use(embeddedPostgres({ dataDir }), async ({ url }) =>
      expect(await inPostgres(url, noted)).toEqual(["kept"]),
    )
  }
  await Promise.all([redis(), postgres()])
})
