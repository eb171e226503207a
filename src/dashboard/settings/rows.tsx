/** What an endpoint lists, a row each, and the buttons of a row. */
import type { ComponentChild, ComponentChildren } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { PartView, useWording } from "../panels/parts.tsx"
import type { Action } from "./action.ts"
import { Failed, type Words } from "./failed.tsx"
import type { Listed } from "./listed.ts"

export interface RowsProps<A> {
  readonly listed: Listed<A>
  /** What is said where there is none. */
  readonly none: string
  readonly row: (each: A) => ComponentChild
}

/** All that an endpoint lists. */
export const Rows = <A,>({ listed, none, row }: RowsProps<A>) => (
  <PartView part={listed.part} onAgain={listed.again}>
    {(all) => (all.length === 0 ? <p class="empty">{none}</p> : <ul class="listed">{all.map(row)}</ul>)}
  </PartView>
)

export interface WhatProps {
  readonly name: string
  /** What one should know of it; nothing for no line of its own. */
  readonly children?: ComponentChildren
}

/** What a row is of. */
export const What = ({ name, children = false }: WhatProps) => (
  <div class="what">
    <b translate={false}>
      <bdi>{name}</bdi>
    </b>
    {children !== false && <span class="hint">{children}</span>}
  </div>
)

export interface DoesProps {
  readonly label: string
  readonly of: string
  readonly name: string
  readonly expanded?: boolean
  readonly disabled?: boolean
  readonly onClick: () => void
}

/** A button of a row. */
export const Does = ({ label, of, name, expanded, disabled = false, onClick }: DoesProps) => (
  <button
    type="button"
    class="quiet"
    data-does={name}
    disabled={disabled}
    aria-label={`${label}: ${of}`}
    {...(expanded !== undefined && { "aria-expanded": expanded })}
    onClick={onClick}
  >
    {label}
  </button>
)

export interface RemovalProps {
  /** Which of a row's it is. */
  readonly name?: string
  readonly label: string
  /** What it is, for those who do not see where the button is. */
  readonly of: string
  readonly question: string
  readonly words?: Words
  readonly action: Action
  readonly onRemove: (signal: AbortSignal) => Promise<void>
}

/** A button that asks before it does what cannot be undone. */
export const Removal = ({ name = "remove", label, of, question, words, action, onRemove }: RemovalProps) => {
  const { t } = useWording()
  const [asking, setAsking] = useState(false)
  const first = useRef<HTMLButtonElement>(null)
  const keep = useRef<HTMLButtonElement>(null)
  const asked = useRef(false)
  useEffect(() => {
    if (asking) keep.current?.focus()
    else if (asked.current) first.current?.focus()
    asked.current = asking
  }, [asking])
  return (
    <>
      {asking ? (
        <fieldset class="asks" aria-label={question}>
          <span aria-hidden="true">{question}</span>
          <button
            type="button"
            class="quiet bad"
            data-confirm
            disabled={action.busy}
            onClick={() =>
              action.run(async (signal) => {
                setAsking(false)
                await onRemove(signal)
                // Its row goes, and the focus with it.
                document.getElementById("tab")?.focus()
              })
            }
          >
            {label}
          </button>
          <button type="button" class="quiet" ref={keep} onClick={() => setAsking(false)}>
            {t.settings.keep}
          </button>
        </fieldset>
      ) : (
        <button
          type="button"
          class="quiet"
          ref={first}
          data-asks={name}
          aria-label={`${label}: ${of}`}
          onClick={() => setAsking(true)}
        >
          {label}
        </button>
      )}
      <Failed failure={action.failure} {...(words !== undefined && { words })} />
    </>
  )
}
