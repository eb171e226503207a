import { describe, expect, test } from "vitest"
import { columnsOf, GOALS, PANELS, propertyTab } from "../../../src/dashboard/front/tabs.ts"
import {
  courseQuestion,
  goesOn,
  intervalsOf,
  movedRange,
  type Question,
  topQuestion,
  totalsQuestion,
  visitorsQuestion,
} from "../../../src/dashboard/model/questions.ts"
import { COMPARES, DEFAULT_VIEW, OPERATORS, RANGES, type View } from "../../../src/dashboard/model/view.ts"
import { decodeQuery, QueryProblem } from "../../../src/query/language/index.ts"

const NOW = Date.parse("2026-11-29T16:00:00Z")

/** What the server says to a question: nothing, where it can be asked. */
const problemOf = (question: Question): string | null => {
  const query = decodeQuery(question, {
    ...{ now: NOW, sites: new Set(["main"]), site: "main", timeZone: "Europe/Paris" },
    earliest: () => NOW - 400 * 86_400_000,
  })
  return query instanceof QueryProblem ? query.error : null
}

const conditions = OPERATORS.map((operator) => ({ operator, dimension: "page", values: ["/cv"] }))
const views: ReadonlyArray<View> = [...RANGES, ["2026-11-01", "2026-11-28"] as const].flatMap((range) =>
  COMPARES.map((compare) => ({ ...DEFAULT_VIEW, range, compare, zone: "Asia/Tokyo", conditions })),
)

describe("every question of the front page can be asked", () => {
  test.each(views)("of $range compared with $compare", (view) => {
    expect(problemOf(totalsQuestion("main", view))).toBeNull()
    for (const interval of intervalsOf(view.range))
      expect(problemOf(courseQuestion("main", view, interval))).toBeNull()
  })

  test.each(PANELS.flatMap(({ tabs }) => tabs).filter((tab) => tab !== GOALS))("about $name", (each) => {
    const tab = each.name === "properties" ? propertyTab("plan") : each
    const question = topQuestion(null, DEFAULT_VIEW, tab.dimensions, {
      ...{ metrics: columnsOf(tab), limit: 100 },
      ...(tab.only !== undefined && { only: tab.only }),
    })
    expect(problemOf(question)).toBeNull()
    for (const metric of columnsOf(tab))
      expect(problemOf({ ...question, order_by: [[metric, "asc"]], offset: 100 })).toBeNull()
  })
})

test("visitors of a goal are a question of the view, and of the goal", () => {
  const [view = DEFAULT_VIEW] = views
  const met = { operator: "is", dimension: "goal", values: ["Letter"] } as const
  const { filters, ...question } = visitorsQuestion("main", view, [met])
  expect(filters?.at(-1)).toEqual(["is", "goal", ["Letter"]])
  expect(visitorsQuestion("main", view)).toEqual({ ...question, filters: filters?.slice(0, -1) })
})

test("a range goes on unless it has ended", () => {
  for (const range of RANGES) expect(goesOn(range, "2026-11-29")).toBe(true)
  expect(goesOn(["2026-11-01", "2026-11-29"], "2026-11-29")).toBe(true)
  expect(goesOn(["2026-11-01", "2026-11-28"], "2026-11-29")).toBe(false)
})

test("dates move by as many days as they have", () => {
  expect(movedRange(["2026-02-22", "2026-02-28"], 1)).toEqual(["2026-03-01", "2026-03-07"])
  expect(movedRange(["2026-03-01", "2026-03-01"], -1)).toEqual(["2026-02-28", "2026-02-28"])
})
