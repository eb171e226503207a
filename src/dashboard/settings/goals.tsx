/** The tab of goals: what visitors of a site should reach, and how many do. */
import { useEffect, useMemo, useState } from "preact/hooks"
import { Asking } from "../model/asking.ts"
import { isQuestionAnswer } from "../model/decode.ts"
import { post, remove } from "../model/read.ts"
import type { Condition } from "../model/view.ts"
import { AskingContext } from "../panels/answers.ts"
import { Panel, PartView, useWording } from "../panels/parts.tsx"
import { useFrame } from "./context.ts"
import { type Goal, isGoalsListed, readFilter } from "./goalFilters.ts"
import { GoalForm } from "./goalForm.tsx"
import { useAction, useListed } from "./listed.ts"
import { Removal } from "./parts.tsx"
import { Reached } from "./reached.tsx"
import { isDone } from "./tokens.ts"

export const GoalsTab = () => {
  const { t } = useWording()
  const { site } = useFrame()
  const texts = t.settings.goals
  const { part, again } = useListed("goals", { site }, isGoalsListed)
  const asking = useMemo(
    () =>
      new Asking({
        ask: async (question, signal) => (await post("query", question, isQuestionAnswer, signal)).data,
        follow: () => {},
      }),
    [],
  )
  useEffect(() => () => asking.close(), [asking])
  const asked = useMemo(() => ({ asking, live: false }), [asking])
  return (
    <AskingContext.Provider value={asked}>
      <Panel name="made-goals" title={t.settings.tabs.goals} hint={texts.hint}>
        <PartView part={part} onAgain={again}>
          {(goals) =>
            goals.length === 0 ? (
              <p class="empty">{texts.none}</p>
            ) : (
              <ul class="listed">
                {goals.map((goal) => (
                  <GoalRow key={goal.id} goal={goal} onChange={again} />
                ))}
              </ul>
            )
          }
        </PartView>
      </Panel>
      <Panel name="new-goal" title={texts.make}>
        <GoalForm goal={null} onDone={again} />
      </Panel>
    </AskingContext.Provider>
  )
}

interface GoalRowProps {
  readonly goal: Goal
  readonly onChange: () => void
}

const GoalRow = ({ goal, onChange }: GoalRowProps) => {
  const { t } = useWording()
  const words = useFilterWords()
  const action = useAction()
  const [changing, setChanging] = useState(false)
  const texts = t.settings.goals
  const { id, name, filters } = goal
  if (changing)
    return (
      <li data-listed={name}>
        <GoalForm
          goal={goal}
          onCancel={() => setChanging(false)}
          onDone={() => {
            setChanging(false)
            onChange()
          }}
        />
      </li>
    )
  return (
    <li data-listed={name}>
      <div class="what">
        <b translate={false}>
          <bdi>{name}</bdi>
        </b>
        <span class="hint">
          {filters.map(words).join(` ${texts.and} `)} · <Reached condition={ofGoal(name)} />
        </span>
      </div>
      <div class="does">
        <button
          type="button"
          class="quiet"
          data-change
          aria-label={`${t.settings.change}: ${name}`}
          onClick={() => setChanging(true)}
        >
          {t.settings.change}
        </button>
        <Removal
          label={texts.remove}
          of={name}
          question={texts.removeQuestion}
          action={action}
          onRemove={async (signal) => {
            await remove(`goals/${id}`, isDone, signal)
            onChange()
          }}
        />
      </div>
    </li>
  )
}

const ofGoal = (name: string): Condition => ({ operator: "is", dimension: "goal", values: [name] })

/** What says a filter in words. */
const useFilterWords = () => {
  const { t, dimensionName, valueName } = useWording()
  return (filter: unknown): string => {
    const read = readFilter(filter)
    if (read === null) return JSON.stringify(filter)
    const { operator, dimension, values } = read
    const named = values.map((value) => valueName(dimension, value)).join(` ${t.front.or} `)
    return t.settings.goals.conditionOf(dimensionName(dimension), t.front.operators[operator], named)
  }
}
