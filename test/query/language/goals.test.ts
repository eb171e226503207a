import { describe, expect, test } from "vitest"
import {
  asksForGoals,
  decodeFunnel,
  decodeGoal,
  decodeQuery,
  encodeFunnel,
  encodeQuery,
  type QueryContext,
  QueryProblem,
} from "../../../src/query/language/index.ts"

const exactly = { case_sensitive: true }
const SIGNUP = ["is", "event", ["signup"], exactly]
const PRO = ["is", "data.plan", ["pro"], exactly]
const CV = ["is", "page", ["/cv"], exactly]
const deep = (n: number): unknown => (n === 0 ? CV : ["has_done", deep(n - 1)])

const CONTEXT: QueryContext = {
  ...{ now: Date.parse("2026-03-30T09:41:30Z"), sites: new Set(["main", "blog"]), site: "main" },
  ...{ timeZone: "UTC", earliest: () => null },
  goals: [
    { site: "main", name: "Signup", filters: [SIGNUP] },
    { site: "main", name: "Pro", filters: [SIGNUP, PRO] },
    { site: "main", name: "Deep", filters: [deep(6)] },
    { site: "main", name: "Large", filters: Array.from({ length: 40 }, () => CV) },
    { site: "blog", name: "Signup", filters: [SIGNUP] },
    { site: "blog", name: "Pro", filters: [PRO] },
  ],
}

const question = (filters: unknown, more: object = {}) =>
  decodeQuery({ metrics: ["visitors"], date_range: "day", filters, ...more }, CONTEXT)

const filtersOf = (filters: unknown, more: object = {}) => {
  const query = question(filters, more)
  return query instanceof QueryProblem ? query.error : encodeQuery(query).filters
}

describe("a goal in a question", () => {
  test.each([
    ["of one filter", [["is", "goal", ["Signup"]]], [SIGNUP]],
    ["of several", [["is", "goal", [" Pro "]]], [["and", [SIGNUP, PRO]]]],
    ["not met", [["is_not", "goal", ["Pro"]]], [["not", ["and", [SIGNUP, PRO]]]]],
    ["of any name", [["is", "goal", ["Signup", "Pro", "Pro"]]], [["or", [SIGNUP, ["and", [SIGNUP, PRO]]]]]],
    [
      "within other filters",
      [["or", [CV, ["has_not_done", ["is", "goal", ["Signup"]]]]]],
      [["or", [CV, ["has_not_done", SIGNUP]]]],
    ],
    ["beside others", [CV, ["is", "goal", ["Signup"]]], [CV, SIGNUP]],
  ])("%s is the filters that it stands for, and repeated the same question", (_, asked, filters) => {
    expect(filtersOf(asked)).toEqual(filters)
    expect(question(filters)).toEqual(question(asked))
  })

  test("of several sites is one that all have alike", () => {
    const both = { sites: ["main", "blog"] }
    expect(filtersOf([["is", "goal", ["Signup"]]], both)).toEqual([SIGNUP])
    expect(filtersOf([["is", "goal", ["Pro"]]], both)).toBe(
      'filters[0][2][0] is "Pro": it should be a goal, one of Signup.',
    )
    expect(filtersOf([["is", "goal", ["Pro"]]], { site: "blog" })).toEqual([PRO])
  })

  test("is a step of a funnel", () => {
    const funnel = decodeFunnel({ steps: [CV, ["is", "goal", ["Pro"]]], date_range: "day" }, CONTEXT)
    if (funnel instanceof QueryProblem) throw new Error(funnel.error)
    expect(encodeFunnel(funnel).steps).toEqual([CV, ["and", [SIGNUP, PRO]]])
  })

  test.each([
    [["is", "goal", ["Sold"]], 'filters[0][2][0] is "Sold": it should be a goal, one of Signup, Pro, Deep'],
    [["is", "goal", ["constructor"]], 'filters[0][2][0] is "constructor"'],
    [["is", "goal", [null]], "filters[0][2][0] is null"],
    [["is", "goal", []], "filters[0][2] is []: it should be a list of goals"],
    [["is", "goal", "Pro"], 'filters[0][2] is "Pro"'],
    [["contains", "goal", ["Pro"]], 'filters[0][0] is "contains": of a goal it should be is or is_not'],
    [["is", "goal", ["Pro"], { case_sensitive: false }], "filters[0][3] is"],
    [
      [
        "or",
        [
          ["is", "goal", ["Large"]],
          ["is", "goal", ["Large"]],
        ],
      ],
      "more than 64 conditions",
    ],
    [["and", [["and", [["is", "goal", ["Deep"]]]]]], "nested deeper than 8"],
  ])("that is %j is told what is wrong", (filter, said) => {
    expect(filtersOf([filter])).toContain(said)
  })

  test("is unknown where there are none", () => {
    const asked = { metrics: ["visitors"], filters: [["is", "goal", ["Signup"]]] }
    expect(decodeQuery(asked, { ...CONTEXT, goals: [] })).toMatchObject({
      error: 'filters[0][2][0] is "Signup": there is no goal that it could be.',
    })
  })

  test("is found wherever a filter may be, and without end nowhere", () => {
    const goal = ["is", "goal", ["Pro"]]
    for (const body of [
      { filters: [goal] },
      { steps: [CV, ["not", goal]] },
      { filters: [["or", [CV, goal]]] },
    ])
      expect(asksForGoals(body)).toBe(true)
    for (const body of [null, 1, {}, { filters: [CV, ["is", "page", ["goal"]]] }, { goal: "goal" }])
      expect(asksForGoals(body)).toBe(false)
    expect(asksForGoals(JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`))).toBe(false)
  })
})

describe("a goal's filters", () => {
  test("are those of a question", () => {
    expect(decodeGoal([SIGNUP, ["has_done", CV]])).toEqual(
      Object(question([SIGNUP, ["has_done", CV]])).filters,
    )
  })

  test.each([
    [undefined, "filters is nothing: it should be a list of filters"],
    [[], "filters is []: it should have at least one filter"],
    [[["is", "pages", ["/"]]], 'filters[0][1] is "pages": it should be a dimension'],
    [[["not", ["is", "goal", ["Pro"]]]], "filters[0][1] is of a goal: a goal should be of dimensions only"],
  ])("that are %j are told what is wrong", (filters, said) => {
    const goal = decodeGoal(filters)
    expect(goal instanceof QueryProblem ? goal.error : "nothing").toContain(said)
  })
})
