import fc from "fast-check"
import { expect, test } from "vitest"
import { shownName } from "../../../src/dashboard/model/names.ts"

test.each([
  ["/cv", "/cv"],
  ["Größe 👨‍👩‍👧 नमस्ते", "Größe 👨‍👩‍👧 नमस्ते"],
  ["a\u0000b\tc\u007f", "a\u2400b\u2409c\u2421"],
  ["invoice\u202efdp.exe", "invoice\u00b7fdp.exe"],
  ["zero\u200bwidth", "zero\u00b7width"],
  [`e${"\u0301".repeat(50)}!`, `e${"\u0301".repeat(4)}!`],
  ["", ""],
])("%j is shown as %j", (name, shown) => {
  expect(shownName(name)).toBe(shown)
})

test("any name is one short line that moves nothing around it", () => {
  const names = fc.oneof(
    fc.constantFrom(...Object.getOwnPropertyNames(Object.prototype)),
    fc.string({ unit: "binary", maxLength: 400 }),
    fc.constantFrom(`a${"\u0301".repeat(2000)}`, "\u202e".repeat(2000)),
  )
  fc.assert(
    fc.property(names, (name) => {
      const shown = shownName(name)
      expect([...shown].length).toBeLessThanOrEqual(300)
      expect(shown).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]|\p{M}{5}/u)
      expect(shown.isWellFormed()).toBe(true)
    }),
  )
})

test("a megabyte of marks over one letter is not looked through", () => {
  expect(shownName(`a${"\u0301".repeat(1_000_000)}`)).toBe(`a${"\u0301".repeat(4)}…`)
})

test("names that every object has are text like any other", () => {
  for (const name of Object.getOwnPropertyNames(Object.prototype)) expect(shownName(name)).toBe(name)
})
