/** The fields that forms have, and forms. */
import type { ComponentChildren } from "preact"
import { useEffect, useId, useRef } from "preact/hooks"
import { useWording } from "../panels/parts.tsx"
import { useSiteName } from "../panels/siteNames.ts"
import type { Action } from "./action.ts"
import { Failed, type Words } from "./failed.tsx"
import { EXPIRIES, type Expiry } from "./tokens.ts"

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
  /** None for all of them, also those to come, unless `hint` says otherwise. */
  readonly values: ReadonlyArray<string>
  readonly hint?: string
  readonly onChoose: (values: ReadonlyArray<string>) => void
}

/** Which sites something is for. */
export const SitesField = ({ sites, values, hint, onChoose }: SitesFieldProps) => {
  const { t } = useWording()
  const siteName = useSiteName()
  return (
    <Checks
      label={t.settings.sites}
      hint={hint ?? t.settings.sitesHint}
      options={sites.map((each) => [each, siteName(each)])}
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

/** The first field of what has just been opened has the focus. */
export const useFocused = () => {
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => place.current?.querySelector("input")?.focus(), [])
  return place
}
