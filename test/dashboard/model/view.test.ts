import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  CARDS,
  COMPARES,
  type Condition,
  DEFAULT_VIEW,
  decodeCondition,
  encodeCondition,
  INTERVALS,
  OPERATORS,
  RANGES,
  readView,
  type View,
  withCondition,
  withOpposite,
  writeView,
} from "../../../src/dashboard/model/view.ts"

const text = fc.string({ unit: "grapheme", minLength: 1 })
const condition: fc.Arbitrary<Condition> = fc.record({
  operator: fc.constantFrom(...OPERATORS),
  dimension: fc.oneof(
    fc.constantFrom("page", "source"),
    text.map((key) => `data.${key}`),
  ),
  values: fc.array(fc.oneof(fc.constantFrom(null, "", "\\0", "\\", ",", "a,b"), text), { minLength: 1 }),
})

const view: fc.Arbitrary<View> = fc.record({
  range: fc.constantFrom(...RANGES, ["2026-01-31", "2026-02-28"] as const),
  compare: fc.constantFrom(...COMPARES),
  zone: fc.constantFrom(null, "UTC", "Asia/Tokyo"),
  conditions: fc.array(condition, { maxLength: 3 }),
  metric: fc.constantFrom(...CARDS),
  goal: fc.constantFrom(null, "Signed up, é"),
  interval: fc.constantFrom(null, ...INTERVALS),
  tabs: fc.constantFrom(new Map(), new Map([["pages", "exit_page"]])),
  details: fc.constantFrom(null, "page"),
  clicks: fc.constantFrom(null, "/cv?a=b,c", "/é"),
})

describe("a view in an address", () => {
  test("is the same view when it is opened, whatever visitors have named", () => {
    fc.assert(
      fc.property(view, (given) => {
        const address = new URL("https://stats.example/?site=blog")
        writeView(given, address.searchParams)
        const opened = new URL(address.href)
        expect(readView(opened.searchParams)).toEqual(given)
        expect(opened.searchParams.get("site")).toBe("blog")
      }),
    )
  })

  test("by default is no part of it", () => {
    const parameters = new URLSearchParams("site=blog&range=day&f=is,page,/&tab_pages=exit_page")
    writeView(DEFAULT_VIEW, parameters)
    expect(String(parameters)).toBe("site=blog")
  })

  test.each([
    "range=never&compare=x&zone=Nowhere/City&metric=x&interval=x",
    "from=2026-02-30&to=2026-03-01&f=&f=is&f=is,page&f=like,page,x&f=is,\\0,x",
  ])("that says nothing right is as by default: %s", (parameters) => {
    expect(readView(new URLSearchParams(parameters))).toEqual(DEFAULT_VIEW)
  })

  test("has its dates in the order of time", () => {
    expect(readView(new URLSearchParams("from=2026-02-01&to=2026-01-01")).range).toEqual([
      "2026-01-01",
      "2026-02-01",
    ])
  })

  test("reads as it is written", () => {
    const given: Condition = { operator: "is_not", dimension: "page", values: ["/cv", "/a,b", null] }
    expect(encodeCondition(given)).toBe("is_not,page,/cv,/a\\,b,\\0")
    expect(decodeCondition("is_not,page,/cv,/a\\,b,\\0")).toEqual(given)
  })
})

describe("a click on a row", () => {
  const cv: Condition = { operator: "is", dimension: "page", values: ["/cv"] }
  const home: Condition = { ...cv, values: ["/"] }

  test("adds a filter, a value to it, and takes both away again", () => {
    const one = withCondition([], cv)
    expect(one).toEqual([cv])
    const two = withCondition(one, home)
    expect(two).toEqual([{ ...cv, values: ["/cv", "/"] }])
    expect(withCondition(two, cv)).toEqual([home])
    expect(withCondition(one, cv)).toEqual([])
  })

  test("with the opposite is a filter of its own", () => {
    const except: Condition = { ...home, operator: "is_not" }
    expect(withCondition([cv], except)).toEqual([cv, except])
    expect(withOpposite([cv], 0)).toEqual([{ ...cv, operator: "is_not" }])
    expect(withOpposite(withOpposite([cv], 0), 0)).toEqual([cv])
  })
})
