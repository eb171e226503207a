import { visitorsQuestion } from "../model/questions.ts"
import { type Condition, DEFAULT_VIEW, type View } from "../model/view.ts"
import { useAnswer } from "../panels/answers.ts"
import { useWording } from "../panels/parts.tsx"
import { useFrame } from "./context.ts"

/** The time that goals are tried on. */
export const TRIED: View = { ...DEFAULT_VIEW, range: "28d" }

/** How many visitors there are of whom a condition holds, of all. */
export const Reached = ({ condition }: { readonly condition: Condition }) => {
  const { site } = useFrame()
  const { t, measure } = useWording()
  const of = useAnswer(visitorsQuestion(site, TRIED, [condition]))
  const all = useAnswer(visitorsQuestion(site, TRIED))
  const [reached = null] = of.part.data?.results[0]?.metrics ?? []
  const [visitors = null] = all.part.data?.results[0]?.metrics ?? []
  const failure = of.part.failure ?? all.part.failure
  if (failure !== null) return <span>{t.failures.get(failure) ?? t.failed}</span>
  if (reached === null || visitors === null || of.stale) return <span>{t.settings.goals.counting}</span>
  const share = measure("percentage", visitors === 0 ? 0 : (100 * reached) / visitors)
  return (
    <span data-reached={reached} translate={false}>
      {t.settings.goals.reached(visitors, measure("visitors", reached), measure("visitors", visitors), share)}
    </span>
  )
}
