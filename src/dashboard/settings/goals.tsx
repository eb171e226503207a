/** The tab of goals: what visitors of a site should reach, and how many do. */
import { useEffect, useMemo, useState } from "preact/hooks"
import { ask } from "../model/ask.ts"
import { Asking } from "../model/asking.ts"
import { isDone } from "../model/decode.ts"
import { remove } from "../model/read.ts"
import type { Condition } from "../model/view.ts"
import { AskingContext } from "../panels/answers.ts"
import { Panel, useWording } from "../panels/parts.tsx"
import { useAction } from "./action.ts"
import { useFrame } from "./context.ts"
import { type Goal, isGoalsListed, readFilter } from "./goalFilters.ts"
import { GoalForm } from "./goalForm.tsx"
import { useListed } from "./listed.ts"

import { Reached } from "./reached.tsx"
import { Does, Removal, Rows, What } from "./rows.tsx"

export const GoalsTab = () => {
  const { t } = useWording()
  const { site } = useFrame()
  const texts = t.settings.goals
  const listed = useListed("goals", { site }, isGoalsListed)
  const asking = useMemo(
    () =>
      new Asking({
        ask,
        follow: () => {},
      }),
    [],
  )
  useEffect(() => () => asking.close(), [asking])
  const asked = useMemo(() => ({ asking, live: false }), [asking])
  return (
    <AskingContext.Provider value={asked}>
      <Panel name="made-goals" title={t.settings.tabs.goals} hint={texts.hint}>
        <Rows
          listed={listed}
          none={texts.none}
          row={(goal) => <GoalRow key={goal.id} goal={goal} onChange={listed.again} />}
        />
      </Panel>
      <Panel name="new-goal" title={texts.make}>
        <GoalForm goal={null} onDone={listed.again} />
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
      <What name={name}>
        {filters.map(words).join(` ${texts.and} `)} · <Reached condition={ofGoal(name)} />
      </What>
      <div class="does">
        <Does label={t.settings.change} of={name} name="change" onClick={() => setChanging(true)} />
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
