/** The components that the tabs are made of. */
import type { ComponentChildren } from "preact"
import { useEffect, useId, useRef, useState } from "preact/hooks"
import type { ReadFailure } from "../model/readFailure.ts"
import { useWording } from "../panels/parts.tsx"
import { useSiteName } from "../panels/siteNames.ts"
import type { Action } from "./listed.ts"
import { EXPIRIES, type Expiry } from "./tokens.ts"

/** What a code means here, where that is more than it means elsewhere. */
export type Words = { readonly [code: string]: string }

export interface FailedProps {
  readonly failure: ReadFailure | null
  readonly words?: Words
}

/** Why something could not be done. */
export const Failed = ({ failure, words = {} }: FailedProps) => {
  const { t } = useWording()
  if (failure === null) return null
  const { code, message } = failure
  const known = Object.hasOwn(words, code) ? words[code] : t.failures.get(code)
  return (
    <p class="failure" role="alert">
      {t.settings.failed} {known ?? message}
    </p>
  )
}

export interface FieldProps {
  readonly label: string
  readonly hint?: string
  readonly children: (ids: { readonly id: string; readonly "aria-describedby"?: string }) => ComponentChildren
}

/** A field of a form, with its label and what one should know of it. */
export const Field = ({ label, hint, children }: FieldProps) => {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, ...(hint !== undefined && { "aria-describedby": `${id}-hint` }) })}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}

export interface TextFieldProps {
  readonly label: string
  readonly hint?: string
  readonly value: string
  readonly onInput: (value: string) => void
  /** Whether nobody should see what is typed. */
  readonly secret?: boolean
  readonly autocomplete?: string
  readonly required?: boolean
  readonly minLength?: number
  readonly maxLength?: number
  readonly placeholder?: string
  /** The id of a list of suggestions. */
  readonly list?: string
}

export const TextField = ({ label, hint, onInput, secret = false, list, ...more }: TextFieldProps) => (
  <Field label={label} {...(hint !== undefined && { hint })}>
    {(ids) => {
      const given = { autocomplete: "off", ...ids, ...more, spellcheck: false } as const
      const input = (e: { readonly currentTarget: HTMLInputElement }) => onInput(e.currentTarget.value)
      if (secret) return <input {...given} type="password" onInput={input} />
      return <input {...given} type="text" {...(list !== undefined && { list })} onInput={input} />
    }}
  </Field>
)

export interface SelectFieldProps<A extends string> {
  readonly label: string
  readonly hint?: string
  readonly options: ReadonlyArray<readonly [value: A, text: string]>
  readonly value: A
  readonly onChoose: (value: A) => void
}

export const SelectField = <A extends string>({
  label,
  hint,
  options,
  value,
  onChoose,
}: SelectFieldProps<A>) => (
  <Field label={label} {...(hint !== undefined && { hint })}>
    {(ids) => (
      <select
        {...ids}
        value={value}
        onChange={(e) => {
          const chosen = options.find(([each]) => each === e.currentTarget.value)
          if (chosen !== undefined) onChoose(chosen[0])
        }}
      >
        {options.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
    )}
  </Field>
)

export interface ExpiryFieldProps {
  readonly value: Expiry
  readonly onChoose: (value: Expiry) => void
}

export const ExpiryField = ({ value, onChoose }: ExpiryFieldProps) => {
  const { t } = useWording()
  return (
    <SelectField
      label={t.settings.expires}
      options={EXPIRIES.map((each) => [each, t.settings.expiries[each]])}
      {...{ value, onChoose }}
    />
  )
}

export interface SiteFieldProps {
  readonly value: string
  readonly sites: ReadonlyArray<string>
  readonly onChoose: (site: string) => void
}

export const SiteField = ({ value, sites, onChoose }: SiteFieldProps) => {
  const { t } = useWording()
  const siteName = useSiteName()
  return (
    <SelectField
      label={t.site}
      options={sites.map((each) => [each, siteName(each)])}
      {...{ value, onChoose }}
    />
  )
}

export interface ChecksProps {
  readonly label: string
  readonly hint?: string
  readonly options: ReadonlyArray<readonly [value: string, text: string]>
  readonly values: ReadonlyArray<string>
  readonly onChoose: (values: ReadonlyArray<string>) => void
}

/** A choice of any number. */
export const Checks = ({ label, hint, options, values, onChoose }: ChecksProps) => (
  <fieldset class="field checks">
    <legend>{label}</legend>
    {options.map(([each, text]) => (
      <label key={each}>
        <input
          type="checkbox"
          checked={values.includes(each)}
          onChange={({ currentTarget: { checked } }) =>
            onChoose(checked ? [...values, each] : values.filter((value) => value !== each))
          }
        />{" "}
        {text}
      </label>
    ))}
    {hint !== undefined && <p class="hint">{hint}</p>}
  </fieldset>
)

export interface SitesFieldProps {
  readonly sites: ReadonlyArray<string>
  /** None for all of them, also those to come. */
  readonly values: ReadonlyArray<string>
  readonly onChoose: (values: ReadonlyArray<string>) => void
}

/** Which sites something is for. */
export const SitesField = ({ sites, values, onChoose }: SitesFieldProps) => {
  const { t } = useWording()
  return (
    <Checks
      label={t.settings.sites}
      hint={t.settings.sitesHint}
      options={sites.map((each) => [each, each])}
      {...{ values, onChoose }}
    />
  )
}

export interface FormProps {
  readonly name: string
  readonly submit: string
  /** Whether it can be sent; so by default. */
  readonly ready?: boolean
  readonly action: Action
  readonly words?: Words
  /** Does what the form is for. */
  readonly onSubmit: (signal: AbortSignal) => Promise<void>
  /** Leaves everything as it was. */
  readonly onCancel?: () => void
  readonly children: ComponentChildren
}

export const Form = ({
  name,
  submit,
  ready = true,
  action,
  words,
  onSubmit,
  onCancel,
  children,
}: FormProps) => {
  const { t } = useWording()
  return (
    <form
      class="settings-form"
      data-form={name}
      onSubmit={(e) => {
        e.preventDefault()
        action.run(onSubmit)
      }}
    >
      <div class="fields">{children}</div>
      <Failed failure={action.failure} {...(words !== undefined && { words })} />
      <div class="does">
        <button type="submit" class="primary" disabled={action.busy || !ready}>
          {submit}
        </button>
        {onCancel !== undefined && (
          <button type="button" class="pill" onClick={onCancel}>
            {t.settings.cancel}
          </button>
        )}
      </div>
    </form>
  )
}

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
