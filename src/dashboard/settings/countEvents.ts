import { isQuestionAnswer } from "../model/decode.ts"
import { post } from "../model/read.ts"
import type { ViewRange } from "../model/view.ts"

/** How many events of a site are kept of a time, those of bots too; `null` where nobody can say. */
export const countEvents = async (
  site: string,
  date_range: ViewRange,
  signal: AbortSignal,
): Promise<number | null> => {
  const question = { site, metrics: ["events"], bots: "include", date_range }
  const answer = await post("query", question, isQuestionAnswer, signal).catch(() => null)
  return answer?.data.results[0]?.metrics[0] ?? null
}
