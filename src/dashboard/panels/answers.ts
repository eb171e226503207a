/** How panels ask questions. */
import { createContext } from "preact"
import { useCallback, useContext, useLayoutEffect, useRef, useState } from "preact/hooks"
import type { Asking } from "../model/asking.ts"
import type { Question, QuestionAnswer } from "../model/questions.ts"
import { type Loaded, NOTHING } from "../model/state.ts"

export interface Asked {
  readonly asking: Asking
  /** Whether what is counted now may change an answer. */
  readonly live: boolean
}

/** Whom the panels ask. */
export const AskingContext = createContext<Asked | null>(null)

export interface Answered {
  /** The last answer; while another question is asked, that to the one before. Nothing without a question. */
  readonly part: Loaded<QuestionAnswer>
  /** The question that `part` answers is no longer the one that is asked. */
  readonly stale: boolean
  readonly again: () => void
}

export interface Manner {
  /** Kept up to date whatever else the page shows. */
  readonly always?: boolean
  /** Asked before the page's other questions: of components, those within another one ask before it. */
  readonly first?: boolean
}

/** The answer to a question, kept up to date; nothing is asked where there is none. */
export const useAnswer = (question: Question | null, { always, first }: Manner = {}): Answered => {
  const asked = useContext(AskingContext)
  if (asked === null) throw new Error("nobody answers here")
  const { asking } = asked
  const live = question !== null && (always === true || asked.live)
  const key = JSON.stringify(question)
  const [{ part, of }, set] = useState({ part: NOTHING as Loaded<QuestionAnswer>, of: key })
  const again = useRef(() => {})
  // Before the page is drawn, which takes about as long as an answer.
  useLayoutEffect(() => {
    if (question === null) return set({ part: NOTHING, of: key })
    const listen = (loaded: Loaded<QuestionAnswer>) =>
      set((before) =>
        // The answer before stays until there is another one.
        loaded.data === null && loaded.failure === null && before.part.data !== null
          ? { ...before, part: { ...before.part, loading: true } }
          : { part: loaded, of: key },
      )
    const watched = asking.watch(question, live, listen, first)
    again.current = watched.again
    return watched.end
  }, [asking, key, live])
  return {
    part: question === null ? NOTHING : part,
    stale: question !== null && of !== key,
    again: useCallback(() => again.current(), []),
  }
}
