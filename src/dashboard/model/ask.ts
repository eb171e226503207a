/** Asks questions over HTTP, the front page's first one before there is a page. */
import { isQuestionAnswer } from "./decode.ts"
import { openPlace } from "./place.ts"
import { type Question, type QuestionAnswer, totalsQuestion } from "./questions.ts"
import { post } from "./read.ts"
import { shareToken } from "./share.ts"
import { readView } from "./view.ts"

/** Asks a question; rejects as {@link post} does. */
export const ask = async (question: Question, signal: AbortSignal): Promise<QuestionAnswer> =>
  (await post("query", question, isQuestionAnswer, signal)).data

interface Begun {
  /** The question's JSON. */
  readonly key: string
  readonly asking: AbortController
  readonly answer: Promise<QuestionAnswer>
}

let begun: Begun | null = null

/** Asks what the front page is going to ask first, that of its cards, as far as the address tells it: to draw the page takes as long as the answer. */
export const beginFirst = (): void => {
  const parameters = new URLSearchParams(location.search)
  const site = parameters.get("site")
  // The site of a share link is not known yet where the address does not name it.
  if (openPlace() !== "front" || (site === null && shareToken() !== null)) return
  const question = totalsQuestion(site, readView(parameters))
  const asking = new AbortController()
  const answer = ask(question, asking.signal)
  begun = { key: JSON.stringify(question), asking, answer }
  // It is for who takes the answer to say what was wrong.
  answer.catch(() => {})
}

/** Asks a question, or takes the answer that is on its way to the first one. */
export const askOrTake = (question: Question, signal: AbortSignal): Promise<QuestionAnswer> => {
  const first = begun
  begun = null
  if (first?.key !== JSON.stringify(question)) return ask(question, signal)
  signal.addEventListener("abort", () => first.asking.abort(signal.reason), { once: true })
  return first.answer
}
