/** What has just been made, and texts to be copied. */
import type { ComponentChildren } from "preact"
import { useEffect, useId, useRef, useState } from "preact/hooks"
import { useWording } from "../panels/parts.tsx"
import { Field } from "./fields.tsx"

/** Puts a text on the clipboard; where the browser gives none to a page without TLS, by what is selected. */
const copy = async (field: HTMLTextAreaElement): Promise<boolean> => {
  field.select()
  try {
    await navigator.clipboard.writeText(field.value)
    return true
  } catch {
    return document.execCommand("copy")
  }
}

export interface CopiedProps {
  readonly name: string
  readonly label: string
  readonly value: string
}

/** A text to be copied. */
export const Copied = ({ name, label, value }: CopiedProps) => {
  const { t } = useWording()
  const field = useRef<HTMLTextAreaElement>(null)
  const [done, setDone] = useState(false)
  return (
    <Field label={label}>
      {(ids) => (
        <div class="copied">
          <textarea
            {...ids}
            ref={field}
            data-copied={name}
            readOnly
            rows={Math.ceil(value.length / 60)}
            spellcheck={false}
            translate={false}
            value={value}
            onFocus={(e) => e.currentTarget.select()}
          />
          <button
            type="button"
            class="pill"
            onClick={() => {
              if (field.current !== null) void copy(field.current).then(setDone)
            }}
          >
            {t.settings.copy}
          </button>
          <span class="unseen" role="status">
            {done ? t.settings.copied : ""}
          </span>
          {done && (
            <span class="hint" aria-hidden="true">
              {t.settings.copied}
            </span>
          )}
        </div>
      )}
    </Field>
  )
}

export interface ToldProps {
  readonly title: string
  readonly hint: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** What has just been made, and is told this once: it has the focus, so that nobody misses it. */
export const Told = ({ title, hint, onClose, children }: ToldProps) => {
  const { t } = useWording()
  const id = useId()
  const box = useRef<HTMLElement>(null)
  useEffect(() => {
    box.current?.focus()
    box.current?.scrollIntoView({ block: "nearest" })
  }, [])
  return (
    <section class="panel told" ref={box} tabIndex={-1} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        <p class="hint">{hint}</p>
      </header>
      {children}
      <button type="button" class="pill" onClick={onClose}>
        {t.settings.done}
      </button>
    </section>
  )
}
