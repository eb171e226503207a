/**
 * Who has been there in the last half hour, by what: the questions that the live board asks, and what it makes of the answers. Pure
 * functions.
 */
import { HOUR_MS, MINUTE_MS } from "../../domain/time.ts"
import type { Question, QuestionAnswer } from "./questions.ts"

/** What readers are told apart by. */
export const PRESENT_BY = ["page", "source", "country", "device"] as const
export type PresentBy = (typeof PRESENT_BY)[number]

/** Minutes that the board looks back. */
export const PRESENT_MINUTES = 30
/** Rows of each list. */
const ROWS = 7
/** Weeks before that tell what is usual. */
const WEEKS = [1, 2, 3, 4] as const
const WEEK_MS = 7 * 24 * HOUR_MS
/** Milliseconds for which what is usual is not asked again. */
const USUAL_MS = 10 * MINUTE_MS

const about = (site: string | null) => ({ ...(site !== null && { site }), metrics: ["visitors"] })

/** The values with most visitors now. */
export const presentQuestion = (site: string | null, by: PresentBy): Question => ({
  ...about(site),
  dimensions: [by],
  date_range: "realtime",
  limit: ROWS,
})

/** The visitors of each value by minute. */
export const linesQuestion = (
  site: string | null,
  by: PresentBy,
  values: ReadonlyArray<string | null>,
): Question => ({
  ...about(site),
  dimensions: [by, "time:minute"],
  date_range: "realtime",
  filters: [["is", by, values]],
})

/**
 * The visitors of each value in the same half hour of the weeks before; the same questions for ten minutes. They are about every value, so
 * that an answer without rows says that the site had no visitor then, and that whoever comes meanwhile is in them.
 */
export const usualQuestions = (site: string | null, by: PresentBy, now: number): ReadonlyArray<Question> => {
  const until = Math.floor(now / USUAL_MS) * USUAL_MS
  return WEEKS.map((weeks) => ({
    ...about(site),
    dimensions: [by],
    date_range: [until - PRESENT_MINUTES * MINUTE_MS, until].map((at) =>
      new Date(at - weeks * WEEK_MS).toISOString(),
    ),
  }))
}

/** A row of the board. */
export interface Present {
  readonly value: string | null
  readonly visitors: number
  /** By minute, the last one now; `null` until that is known. */
  readonly line: ReadonlyArray<number> | null
  /** On average of the weeks in which the site had any visitor then; `null` where nothing is known of any. */
  readonly usual: number | null
}

/** The visitors of a value by minute, of the answer to {@link linesQuestion}. */
const lineOf = (answer: QuestionAnswer, value: string | null, now: number): ReadonlyArray<number> => {
  const last = Math.floor(now / MINUTE_MS)
  const line = Array<number>(PRESENT_MINUTES).fill(0)
  for (const { dimensions, metrics } of answer.results) {
    const minute = dimensions[1] ?? null
    if (dimensions[0] !== value || minute === null) continue
    const at = PRESENT_MINUTES - 1 - (last - Math.floor(Date.parse(minute) / MINUTE_MS))
    if (at >= 0 && at < PRESENT_MINUTES) line[at] = metrics[0] ?? 0
  }
  return line
}

/** What the board's answers say together. */
export const presentOf = (
  top: QuestionAnswer,
  lines: QuestionAnswer | null,
  usual: ReadonlyArray<QuestionAnswer | null>,
  now: number,
): ReadonlyArray<Present> => {
  const weeks = usual.filter((week) => week !== null).filter(({ results }) => results.length > 0)
  const before = (value: string | null): number =>
    weeks.reduce(
      (sum, { results }) =>
        sum + (results.find(({ dimensions }) => dimensions[0] === value)?.metrics[0] ?? 0),
      0,
    )
  return top.results.map(({ dimensions: [value = null], metrics: [visitors] }) => ({
    value,
    visitors: visitors ?? 0,
    line: lines === null ? null : lineOf(lines, value, now),
    usual: weeks.length === 0 ? null : before(value) / weeks.length,
  }))
}
