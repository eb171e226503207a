import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { DIMENSIONS, decodeFact, encodeFact, FACTS, type FactName } from "../../src/domain/dimensions.ts"

const FACT_NAMES = ["origin", "client", "label"] as const satisfies ReadonlyArray<FactName>

describe("the list of dimensions", () => {
  test("says of each stored one in which fact it is, and the fact holds it", () => {
    const stored = Object.entries(DIMENSIONS).filter(([, { fact }]) => fact !== null)
    for (const [name, { fact }] of stored)
      expect(fact === null ? [] : (FACTS[fact] as ReadonlyArray<string>), name).toContain(name)
    const held = FACT_NAMES.flatMap((fact): ReadonlyArray<string> => FACTS[fact])
    // The event's name is stored as `name`, and is the dimension `event` together with the type.
    expect(
      stored
        .map(([name]) => name)
        .concat("name")
        .sort(),
    ).toEqual(held.sort())
  })
})

describe("an encoded fact", () => {
  test("has no nulls at its end, and is null when it is empty", () => {
    expect(encodeFact("origin", { channel: "Direct" })).toBe('[null,null,"Direct"]')
    expect(encodeFact("client", {})).toBeNull()
    expect(encodeFact("label", { title: null, name: "Größe geändert" })).toBe('[null,"Größe geändert"]')
  })

  test("is decoded to what it was made of", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...FACT_NAMES),
        fc.array(fc.option(fc.string({ unit: "grapheme" })), { maxLength: 10 }),
        (fact, values) => {
          const named = Object.fromEntries(FACTS[fact].map((name, i) => [name, values[i] ?? null]))
          const text = encodeFact(fact, named)
          const decoded = text === null ? [] : decodeFact(text)
          expect(FACTS[fact].map((_, i) => decoded?.[i] ?? null)).toEqual(Object.values(named))
        },
      ),
    )
  })

  test.each(["", "{}", "[1]", '["a"', "null", '[["a"]]'])("%j is none", (text) => {
    expect(decodeFact(text)).toBeNull()
  })
})
