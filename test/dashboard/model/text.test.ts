import { describe, expect, test } from "vitest"
import { detailOf, kindOf, shortPage } from "../../../src/dashboard/model/events.ts"
import { LANGUAGES, wordingOf } from "../../../src/dashboard/model/text.ts"
import { KNOWN_TYPES } from "../../../src/domain/event.ts"

describe.each(LANGUAGES)("in %s", (language) => {
  const { t, typeName } = wordingOf(language)

  test("known types have a name of that language, others their own", () => {
    expect(typeName("page_view")).toBe({ en: "Page view", fr: "Page vue" }[language])
    expect(typeName("newsletter.joined")).toBe("newsletter.joined")
  })

  test("every known type and every failure has words", () => {
    expect([...t.types.keys()].sort()).toEqual([...KNOWN_TYPES].sort())
    expect([...t.failures.keys()]).toEqual([...wordingOf("en").t.failures.keys()])
    const empty = [...t.types, ...t.failures, ...Object.entries(t)].filter(([, words]) => words === "")
    expect(empty).toEqual([])
  })

  test.each(["__proto__", "constructor", "toString", "valueOf"])("%s is text like any other type", (name) => {
    expect(typeName(name)).toBe(name)
    expect(t.failures.get(name)).toBeUndefined()
    expect(kindOf(name)).toBe("other")
  })
})

test("an event's detail is the member that matters, else the first one", () => {
  expect(detailOf({ file: "cv.pdf", theme: "paper" })).toBe("paper")
  expect(detailOf({ x: 3, y: 4.5 })).toBe("x 3, y 4.5")
  expect(detailOf({ plan: "free", seats: 2 })).toBe("plan: free")
  expect(detailOf(JSON.parse('{"__proto__":"text"}'))).toBe("__proto__: text")
  expect(detailOf({ nested: { a: 1 } })).toBe("")
  expect(detailOf({})).toBe("")
  expect(detailOf(null)).toBe("")
})

test("a page is shown without its site, readable, and as it came when it is no address", () => {
  expect(shortPage("https://cv.example/lettres/%C3%A9t%C3%A9?a=1#b")).toBe("/lettres/été?a=1#b")
  expect(shortPage("/cv")).toBe("/cv")
  expect(shortPage("https://cv.example/%ff")).toBe("https://cv.example/%ff")
  expect(shortPage(null)).toBe("")
})
