import { useId, useState } from "preact/hooks"
import { isDone } from "../model/decode.ts"
import { filterOf, topQuestion } from "../model/questions.ts"
import { patch, post } from "../model/read.ts"
import { useAnswer } from "../panels/answers.ts"
import { useWording } from "../panels/parts.tsx"
import { useTyped } from "../panels/typed.ts"
import { useAction } from "./action.ts"
import { useFrame } from "./context.ts"
import { Form, SelectField, TextField } from "./fields.tsx"
import { conditionOf, fieldsOf, type Goal, HOWS, KINDS, type Kind, NEW_GOAL } from "./goalFilters.ts"
import { Reached, TRIED } from "./reached.tsx"

export interface GoalFormProps {
  /** The goal to be changed; `null` for another one. */
  readonly goal: Goal | null
  readonly onDone: () => void
  readonly onCancel?: () => void
}

export const GoalForm = ({ goal, onDone, onCancel }: GoalFormProps) => {
  const { t } = useWording()
  const { site } = useFrame()
  const action = useAction()
  const list = useId()
  const before = goal === null ? NEW_GOAL : fieldsOf(goal)
  const [fields, set] = useState(before ?? { ...NEW_GOAL, name: goal?.name ?? "" })
  const typed = useTyped(fields.value)
  const texts = t.settings.goals
  const { name, kind, how, value } = fields
  const submit = async (signal: AbortSignal) => {
    // What the form does not understand it leaves alone.
    const filters = before === null ? null : [filterOf(conditionOf(fields))]
    if (goal === null) await post("goals", { ...(site !== null && { site }), name, filters }, isDone, signal)
    else await patch(`goals/${goal.id}`, { name, filters }, isDone, signal)
    if (goal === null) set(NEW_GOAL)
    onDone()
  }
  return (
    <Form
      name={goal === null ? "goal" : `goal-${goal.id}`}
      submit={goal === null ? texts.make : t.settings.save}
      action={action}
      onSubmit={submit}
      {...(onCancel !== undefined && { onCancel })}
    >
      <TextField
        label={t.settings.name}
        value={name}
        onInput={(typing) => set({ ...fields, name: typing })}
        required
        maxLength={100}
      />
      {before === null ? (
        <p class="hint">{texts.otherKind}</p>
      ) : (
        <>
          <SelectField
            label={texts.kind}
            options={KINDS.map((each) => [each, texts.kinds[each]])}
            value={kind}
            onChoose={(chosen) => set({ ...fields, kind: chosen, value: "" })}
          />
          {kind === "page" && (
            <SelectField
              label={texts.how}
              options={HOWS.map((each) => [each, texts.hows[each]])}
              value={how}
              onChoose={(chosen) => set({ ...fields, how: chosen })}
            />
          )}
          <TextField
            label={texts[kind]}
            value={value}
            onInput={(typing) => set({ ...fields, value: typing })}
            required
            list={list}
            {...(kind === "page" && { placeholder: "/thanks" })}
          />
          <Seen id={list} kind={kind} />
          {typed !== "" && (
            <p class="hint preview" role="status">
              <Reached condition={conditionOf({ ...fields, value: typed })} />
            </p>
          )}
        </>
      )}
    </Form>
  )
}

/** Pages or events that there have been, offered where one is typed. */
const Seen = ({ id, kind }: { readonly id: string; readonly kind: Kind }) => {
  const { site } = useFrame()
  const { part } = useAnswer(topQuestion(site, TRIED, [kind], { metrics: ["visitors"], limit: 100 }))
  return (
    <datalist id={id}>
      {part.data?.results.map(({ dimensions: [value = null] }) =>
        value === null ? null : <option key={value} value={value} />,
      )}
    </datalist>
  )
}
