import fc from "fast-check"
import { expect, test } from "vitest"
import { encoded, Script, ScriptArguments } from "../../src/stores/script.ts"
import { freshDeployment } from "../support/deployment.ts"

/** RESP of an array's elements, as the client's own encoder would write them. */
const resp = (values: ReadonlyArray<string | number>): string =>
  values.map((value) => `$${Buffer.byteLength(String(value))}\r\n${value}\r\n`).join("")

test("arguments are encoded as Redis' protocol says, whatever text they are", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string({ unit: "binary" }), fc.integer(), fc.maxSafeInteger(), fc.double())),
      (values) => {
        const all = encoded(values)
        expect(all.count).toBe(values.length)
        expect(all.bytes.toString()).toBe(resp(values))
      },
    ),
  )
  // Where the length in bytes has more digits than the one in code units.
  for (const text of [
    "",
    "é".repeat(5),
    "é".repeat(50),
    "€".repeat(34),
    "é".repeat(99),
    "a".repeat(100),
    "😀".repeat(4000),
  ])
    expect(encoded(["before", text, "after"]).bytes.toString()).toBe(resp(["before", text, "after"]))
})

test("arguments that were cleared take others", () => {
  const args = new ScriptArguments()
  args.add("é".repeat(2_000_000))
  args.clear()
  expect([args.count, args.bytes.length]).toEqual([0, 0])
  args.add(7)
  expect(args.bytes.toString()).toBe("$1\r\n7\r\n")
})

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
