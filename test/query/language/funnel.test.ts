import { describe, expect, test } from "vitest"
import {
  decodeFunnel,
  decodeValues,
  encodeFunnel,
  encodeQuery,
  type QueryContext,
  QueryProblem,
} from "../../../src/query/language/index.ts"

const CONTEXT: QueryContext = {
  ...{ now: Date.parse("2026-03-30T09:41:30Z"), sites: new Set(["main", "blog"]), site: "main" },
  ...{ timeZone: "UTC", earliest: () => null },
}
const STEPS = [
  ["is", "page", ["/cv"]],
  ["not", ["is", "event", ["page_view"]]],
]

describe("a funnel", () => {
  test.each([
    [undefined, "visit", "visit"],
    ["visit", "visit", "visit"],
    ["1 minute", 60_000, "1 minute"],
    ["90 minutes", 5_400_000, "90 minutes"],
    ["48 hours", 172_800_000, "2 days"],
    ["7 day", 604_800_000, "7 days"],
  ])("within %s is within %s, repeated as %s", (within, found, repeated) => {
    const funnel = decodeFunnel({ steps: STEPS, within, date_range: "day", site: "blog" }, CONTEXT)
    if (funnel instanceof QueryProblem) throw new Error(funnel.error)
    expect(funnel.within).toBe(found)
    expect(encodeFunnel(funnel)).toEqual({
      ...{ sites: ["blog"], within: repeated, filters: [], time_zone: "UTC", bots: "exclude" },
      steps: [
        ["is", "page", ["/cv"], { case_sensitive: true }],
        ["is_not", "event", ["page_view"], { case_sensitive: true }],
      ],
      date_range: ["2026-03-30T00:00:00.000Z", "2026-03-31T00:00:00.000Z"],
    })
  })

  test.each([
    [null, "The funnel is null"],
    [{}, "steps is nothing"],
    [{ steps: STEPS.slice(0, 1) }, "steps is"],
    [{ steps: Array.from({ length: 11 }, () => STEPS[0]) }, "steps is"],
    [{ steps: [...STEPS, ["is", "pages", ["/"]]] }, "steps[2][1]"],
    [{ steps: STEPS, within: "7 weeks" }, "within is"],
    [{ steps: STEPS, within: "0 days" }, "within is"],
    [{ steps: STEPS, metrics: ["visits"] }, 'There is no field "metrics"'],
    [{ steps: STEPS, date_range: "never" }, "date_range is"],
  ])("that is %j is told what is wrong", (body, said) => {
    const funnel = decodeFunnel(body, CONTEXT)
    expect(funnel instanceof QueryProblem ? funnel.error : "nothing").toContain(said)
  })
})

describe("values of a dimension", () => {
  test("are a question, and what is typed is no pattern", () => {
    const body = { dimension: "page", prefix: "/a.(b", search: "%", filters: [["is", "source", ["x"]]] }
    const query = decodeValues(body, CONTEXT)
    if (query instanceof QueryProblem) throw new Error(query.error)
    expect(encodeQuery(query)).toMatchObject({
      ...{ metrics: ["visitors"], dimensions: ["page"], limit: 100, order_by: [["visitors", "desc"]] },
      filters: [
        ["is_not", "page", [null], { case_sensitive: true }],
        ["contains", "page", ["%"], { case_sensitive: false }],
        ["matches", "page", ["^/a\\.\\(b"], { case_sensitive: false }],
        ["and", [["is", "source", ["x"], { case_sensitive: true }]]],
      ],
    })
  })

  test.each([
    [1, "The question is 1"],
    [{}, "dimension is nothing"],
    [{ dimension: "time:day" }, "dimension is"],
    [{ dimension: "page", prefix: 1 }, "prefix is 1"],
    [{ dimension: "page", search: "x".repeat(1025) }, "search is"],
    [{ dimension: "page", limit: 1001 }, "limit is 1001"],
    [{ dimension: "page", filters: 1 }, "filters"],
    [{ dimension: "page", metrics: [] }, 'There is no field "metrics"'],
  ])("that are asked for by %j are told what is wrong", (body, said) => {
    const query = decodeValues(body, CONTEXT)
    expect(query instanceof QueryProblem ? query.error : "nothing").toContain(said)
  })
})
