import fc from "fast-check"
import { expect, test } from "vitest"
import { EncodedArguments, encoded } from "../../src/stores/resp.ts"

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
  const args = new EncodedArguments()
  args.add("é".repeat(2_000_000))
  args.clear()
  expect([args.count, args.bytes.length]).toEqual([0, 0])
  args.add(7)
  expect(args.bytes.toString()).toBe("$1\r\n7\r\n")
})
