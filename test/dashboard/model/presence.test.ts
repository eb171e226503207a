import { expect, test } from "vitest"
import { presentOf, usualQuestions } from "../../../src/dashboard/model/presence.ts"
import type { QuestionAnswer } from "../../../src/dashboard/model/questions.ts"

const NOON = Date.parse("2025-12-08T12:00:00Z")
const MINUTE = 60_000

const answer = (rows: Readonly<Record<string, number>>): QuestionAnswer => ({
  results: Object.entries(rows).map(([page, visitors]) => ({ dimensions: [page], metrics: [visitors] })),
  meta: { total_rows: 0 },
  query: { time_zone: "UTC", dimensions: ["page"] },
})

test("what is usual is asked of everybody in the same half hours, and for ten minutes the same", () => {
  const questions = usualQuestions("blog", "page", NOON)
  expect(questions).toHaveLength(4)
  expect(questions[0]).toEqual({
    ...{ site: "blog", metrics: ["visitors"], dimensions: ["page"] },
    date_range: ["2025-12-01T11:30:00.000Z", "2025-12-01T12:00:00.000Z"],
  })
  expect(usualQuestions("blog", "page", NOON + 10 * MINUTE - 1)).toEqual(questions)
  expect(usualQuestions("blog", "page", NOON + 10 * MINUTE)).not.toEqual(questions)
})

test("the usual value is the average of the weeks in which the site had any visitor then", () => {
  const weeks = [answer({ "/a": 6, "/b": 1 }), answer({ "/b": 3 }), answer({}), null]
  const rows = presentOf(answer({ "/a": 5, "/b": 2, "/new": 1 }), null, weeks, NOON)
  expect(rows.map(({ value, usual }) => [value, usual])).toEqual([
    ["/a", 3],
    ["/b", 2],
    ["/new", 0],
  ])
  expect(presentOf(answer({ "/a": 5 }), null, [answer({}), null], NOON)[0]?.usual).toBeNull()
})
