/** The components that panels are made of. */
import type { ComponentChildren } from "preact"
import { createContext } from "preact"
import { useContext } from "preact/hooks"
import type { Loaded } from "../model/state.ts"
import { type Wording, wordingOf } from "../model/text.ts"

export const WordingContext = createContext<Wording>(wordingOf("en"))
export const useWording = (): Wording => useContext(WordingContext)

export interface PanelProps {
  /** Its classes, and its id unless there is another one. */
  readonly name: string
  readonly id?: string
  readonly title: string
  readonly hint?: string
  /** Shown beside the title. */
  readonly aside?: ComponentChildren
  readonly children: ComponentChildren
}

export const Panel = ({ name, id = name, title, hint, aside, children }: PanelProps) => (
  <section class={`panel ${name}`} aria-labelledby={`${id}-title`}>
    <header>
      <h2 id={`${id}-title`}>{title}</h2>
      {hint !== undefined && <p class="hint">{hint}</p>}
      {aside !== undefined && <div class="aside">{aside}</div>}
    </header>
    {children}
  </section>
)

export interface PartProps<A> {
  readonly part: Loaded<A>
  readonly onAgain: () => void
  /** Height of the panel while it has no data, as a class. */
  readonly size?: "short" | "tall"
  readonly children: (data: A) => ComponentChildren
}

/** Shows the data of a part, or that it is loading; after a failure also why, and a button to try again. */
export const PartView = <A,>({ part, onAgain, size = "short", children }: PartProps<A>) => {
  const { t } = useWording()
  return (
    <>
      {part.failure !== null && (
        <p class="failure" role="alert">
          <span>
            {t.failed} {t.failures.get(part.failure) ?? part.failure}
          </span>
          <button type="button" class="quiet" onClick={onAgain} disabled={part.loading}>
            {t.again}
          </button>
        </p>
      )}
      {part.data !== null ? (
        children(part.data)
      ) : part.failure === null ? (
        <div class={`loading ${size}`}>
          <span class="unseen">{t.loading}</span>
        </div>
      ) : null}
    </>
  )
}

/** The letters of a country, as a small sign before its name. */
export const Country = ({ code }: { readonly code: string | null | undefined }) =>
  code === null || code === undefined ? null : (
    <span class="country" aria-hidden="true">
      {code.slice(0, 2)}
    </span>
  )

export interface ChoiceProps<A extends string> {
  readonly name: string
  readonly label: string
  readonly options: ReadonlyArray<readonly [value: A, text: string]>
  readonly value: A
  readonly onChoose: (value: A) => void
}

/** A choice of one among a few, side by side. A group of radio buttons, so that the arrow keys move within it. */
export const Choice = <A extends string>({ name, label, options, value, onChoose }: ChoiceProps<A>) => (
  <fieldset class="choice">
    <legend class="unseen">{label}</legend>
    {options.map(([each, text]) => (
      <label key={each}>
        <input
          type="radio"
          name={name}
          value={each}
          checked={each === value}
          onChange={() => onChoose(each)}
        />
        <span>{text}</span>
      </label>
    ))}
  </fieldset>
)
