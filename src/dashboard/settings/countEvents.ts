import { ask } from "../model/ask.ts"
import type { Question } from "../model/questions.ts"
import type { ViewRange } from "../model/view.ts"

/** How many events of a site are kept of a time, those of bots too; `null` where nobody can say. */
export const countEvents = async (
  site: string,
  date_range: ViewRange,
  signal: AbortSignal,
): Promise<number | null> => {
  const question: Question = { site, metrics: ["events"], bots: "include", date_range }
  const answer = await ask(question, signal).catch(() => null)
  return answer?.results[0]?.metrics[0] ?? null
}
