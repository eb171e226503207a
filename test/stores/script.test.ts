import { writeFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { expect, test } from "vitest"
import { MAX_THEMES, OTHER_THEME } from "../../src/domain/limits.ts"
import { VISITOR_BUCKETS } from "../../src/stores/redisKeys.ts"
import { encoded } from "../../src/stores/resp.ts"
import { Script } from "../../src/stores/script.ts"
import { freshDeployment } from "../support/deployment.ts"
import { temporaryFolder } from "../support/index.ts"

test("a script gets its keys and arguments, also from a server that does not know it yet", async () => {
  const { redis } = await freshDeployment()
  const script = new Script(`return { #KEYS, KEYS[1], #ARGV, ARGV[1], ARGV[3], '${crypto.randomUUID()}' }`)
  for (let i = 0; i < 2; i++) {
    const reply = await script.runEncoded(
      redis,
      ["{a}k"],
      [encoded(["x", "é€😀"]), encoded([]), encoded([-1])],
    )
    expect(reply).toEqual([1, "{a}k", 3, "x", "-1", expect.any(String)])
  }
  expect(await new Script("return ARGV[1]").run(redis, [], ["ü"])).toBe("ü")
})

test("a script that fails rejects with Redis' error", async () => {
  const { redis } = await freshDeployment()
  await expect(new Script("return redis.error_reply('FENCED by a test')").run(redis, [], [])).rejects.toThrow(
    /^FENCED by/,
  )
})

test("a script has what it includes and the constants that it names", async () => {
  const { redis } = await freshDeployment()
  const folder = pathToFileURL(`${temporaryFolder()}/`)
  const write = (name: string, ...lines: ReadonlyArray<string>) => {
    const url = new URL(name, folder)
    writeFileSync(url, `${lines.join("\n")}\n`)
    return url
  }
  write("half.lua", "-- constants VISITOR_BUCKETS", "local function half() return VISITOR_BUCKETS / 2 end")
  const url = write(
    "script.lua",
    ...["#!lua", "-- constants MAX_THEMES, OTHER_THEME", "-- include half.lua"],
    "return { half(), MAX_THEMES, OTHER_THEME }",
  )
  expect(await Script.load(url).run(redis, [], [])).toEqual([VISITOR_BUCKETS / 2, MAX_THEMES, OTHER_THEME])
  expect(() => Script.load(write("wrong.lua", "-- constants NONE"))).toThrow(
    "no script knows a constant NONE",
  )
})
