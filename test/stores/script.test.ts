import { expect, test } from "vitest"
import { encoded } from "../../src/stores/resp.ts"
import { Script } from "../../src/stores/script.ts"
import { freshDeployment } from "../support/deployment.ts"

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
