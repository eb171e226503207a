import { useEffect, useId, useRef, useState } from "preact/hooks"
import { DIMENSIONS } from "../../domain/dimensions.ts"
import { topQuestion } from "../model/questions.ts"
import { type Condition, OPERATORS, type Operator, withOpposite } from "../model/view.ts"
import { useAnswer } from "../panels/answers.ts"
import { useWording } from "../panels/parts.tsx"
import { useTyped } from "../panels/typed.ts"
import { useFilter, useFront } from "./context.ts"
import { Menu } from "./menu.tsx"

/** The filters, each a chip: a click on it turns it into its opposite. */
export const Chips = () => {
  const { view, show } = useFront()
  const { t } = useWording()
  const words = useConditionWords()
  const name = (condition: Condition) => words(condition).join(" ")
  const { conditions } = view
  if (conditions.length === 0) return null
  return (
    <ul class="chips" aria-label={t.front.filters}>
      {conditions.map((condition, at) => (
        <li key={at} class="chip" data-filter={condition.dimension}>
          <button
            type="button"
            aria-label={t.front.flip(name(condition))}
            title={t.front.flip(name(condition))}
            onClick={() => show({ conditions: withOpposite(conditions, at) })}
          >
            <ConditionText condition={condition} />
          </button>
          <button
            type="button"
            class="away"
            aria-label={t.front.remove(name(condition))}
            onClick={() => show({ conditions: conditions.toSpliced(at, 1) })}
          >
            <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
      {conditions.length > 1 && (
        <li>
          <button type="button" class="quiet" onClick={() => show({ conditions: [] })}>
            {t.front.clear}
          </button>
        </li>
      )}
    </ul>
  )
}

const ConditionText = ({ condition }: { readonly condition: Condition }) => {
  const [dimension, operator, values] = useConditionWords()(condition)
  return (
    <>
      <span>{dimension}</span> <em>{operator}</em>{" "}
      <b translate={false}>
        <bdi>{values}</bdi>
      </b>
    </>
  )
}

/** A condition in words: its dimension, its operator and its values. */
const useConditionWords = (): ((
  condition: Condition,
) => readonly [dimension: string, operator: string, values: string]) => {
  const { t, valueName, dimensionName } = useWording()
  return ({ operator, dimension, values }) => [
    dimensionName(dimension),
    t.front.operators[operator],
    values.map((value) => valueName(dimension, value)).join(` ${t.front.or} `),
  ]
}

/** Dimensions that are offered; `data.<key>` may be typed where the dimension is chosen. */
const OFFERED = Object.keys(DIMENSIONS).filter((name) => name !== "bot")

/** Adds a filter by what it says. */
export const FilterMenu = () => {
  const { t } = useWording()
  return (
    <Menu name="filter" label={`+ ${t.front.filter}`} title={t.front.addFilter}>
      {(close) => <FilterForm onDone={close} />}
    </Menu>
  )
}

const FilterForm = ({ onDone }: { readonly onDone: () => void }) => {
  const { t, dimensionName } = useWording()
  const filter = useFilter()
  const id = useId()
  const first = useRef<HTMLSelectElement>(null)
  const [dimension, setDimension] = useState("page")
  const [operator, setOperator] = useState<Operator>("is")
  const [text, setText] = useState("")
  useEffect(() => first.current?.focus(), [])
  return (
    <form
      class="filter-form"
      onSubmit={(e) => {
        e.preventDefault()
        if (text === "" || dimension === "") return
        filter({ operator, dimension, values: [text] })
        onDone()
      }}
    >
      <label>
        {t.front.dimension}
        <select ref={first} value={dimension} onChange={(e) => setDimension(e.currentTarget.value)}>
          {OFFERED.map((each) => (
            <option key={each} value={each}>
              {dimensionName(each)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t.front.operator}
        <select
          value={operator}
          onChange={(e) => setOperator(OPERATORS.find((each) => each === e.currentTarget.value) ?? "is")}
        >
          {OPERATORS.map((each) => (
            <option key={each} value={each}>
              {t.front.operators[each]}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t.front.value}
        <input
          type="text"
          list={id}
          value={text}
          autocomplete="off"
          spellcheck={false}
          onInput={(e) => setText(e.currentTarget.value)}
        />
        <Suggestions id={id} dimension={dimension} text={text} />
      </label>
      <button type="submit" class="primary" disabled={text === ""}>
        {t.front.addFilter}
      </button>
    </form>
  )
}

interface SuggestionsProps {
  readonly id: string
  readonly dimension: string
  readonly text: string
}

/** The dimension's values that contain what has been typed. */
const Suggestions = ({ id, dimension, text: typing }: SuggestionsProps) => {
  const text = useTyped(typing)
  const { site, view } = useFront()
  const { valueName } = useWording()
  const only: Condition = { operator: "contains", dimension, values: [text] }
  const question = topQuestion(site, view, [dimension], {
    ...{ metrics: ["visitors"], limit: 30 },
    ...(text !== "" && { only: [only] }),
  })
  const { data } = useAnswer(question).part
  return (
    <datalist id={id}>
      {data?.results.map(({ dimensions: [value = null] }) =>
        value === null ? null : (
          <option key={value} value={value}>
            {valueName(dimension, value)}
          </option>
        ),
      )}
    </datalist>
  )
}
