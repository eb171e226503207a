/** The goals of a site: how many visitors each has converted. */
import { useContext } from "preact/hooks"
import { isGoalsAnswer } from "../model/decode.ts"
import { pageUrl } from "../model/place.ts"
import { visitorsQuestion } from "../model/questions.ts"
import { read } from "../model/read.ts"
import type { Loaded } from "../model/state.ts"
import type { Condition } from "../model/view.ts"
import { AccessContext, mayChange } from "../panels/access.ts"
import { useAnswer } from "../panels/answers.ts"
import { useLoaded } from "../panels/loaded.ts"
import { PartView, useWording } from "../panels/parts.tsx"
import { useFilter, useFront } from "./context.ts"

type Names = ReadonlyArray<string>

/** The names of the site's goals, in the order in which they were made, and what reads them again. */
export const useGoals = (): readonly [names: Loaded<Names>, again: () => void] => {
  const { site } = useFront()
  return useLoaded(site ?? "", async (signal) =>
    (await read("goals", { site }, isGoalsAnswer, signal)).data.map(({ name }) => name),
  )
}

/** The tab's list, in the order in which the goals were made. */
export const Goals = () => {
  const { site, slugs, several, view } = useFront()
  const { t } = useWording()
  const access = useContext(AccessContext)
  const [names, again] = useGoals()
  const visitors = useAnswer(visitorsQuestion(site, view))
  const all = visitors.part.data?.results[0]?.metrics[0] ?? null
  // What keeps the figures of all from coming keeps those of the goals.
  const { failure } = visitors.part
  return (
    <PartView
      part={failure === null ? names : { ...names, failure }}
      onAgain={() => (failure === null ? again() : visitors.again())}
      size="tall"
    >
      {(goals) =>
        goals.length === 0 ? (
          <p class="empty">
            {several ? t.front.noSharedGoals : t.front.noGoals}
            {mayChange(access, slugs) && (
              <a href={pageUrl("settings", site, "goals")}>{t.settings.goals.make}</a>
            )}
          </p>
        ) : (
          <>
            {several && <p class="hint">{t.front.sharedGoals}</p>}
            <ol class="bars goals" aria-label={t.dimensions.goals}>
              {goals.map((name) => (
                <Goal key={name} name={name} all={all} />
              ))}
            </ol>
          </>
        )
      }
    </PartView>
  )
}

interface GoalProps {
  readonly name: string
  /** All visitors of the view; `null` while they are not known. */
  readonly all: number | null
}

const Goal = ({ name, all }: GoalProps) => {
  const { site, view } = useFront()
  const { measure } = useWording()
  const filter = useFilter()
  const met: Condition = { operator: "is", dimension: "goal", values: [name] }
  const { part } = useAnswer(visitorsQuestion(site, view, [met]))
  const converted = part.data?.results[0]?.metrics[0] ?? null
  const rate = converted === null || all === null ? null : all === 0 ? 0 : (100 * converted) / all
  return (
    <li data-goal={name}>
      <button type="button" class="bar" title={name} onClick={() => filter(met)}>
        <i aria-hidden="true" style={{ width: `${Math.min(100, rate ?? 0)}%` }} />
        <span class="name" translate={false}>
          <bdi>{name}</bdi>
        </span>
        <span class="count" translate={false}>
          <span class="rate" data-rate={rate}>
            {measure("percentage", rate)}
          </span>
          <b data-count={converted}>{measure("visitors", converted)}</b>
        </span>
      </button>
    </li>
  )
}
