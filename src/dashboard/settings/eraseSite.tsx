/** Erases a site: what there is of it, a typed confirmation, and the receipt. */
import { useState } from "preact/hooks"
import type { SiteReceipt } from "../../domain/answers.ts"
import { useLoaded } from "../panels/loaded.ts"
import { useWording } from "../panels/parts.tsx"
import { useFrame } from "./context.ts"
import { countEvents } from "./countEvents.ts"
import { isErasing } from "./erasing.ts"
import { Form, TextField, useFocused } from "./fields.tsx"
import { ReceiptView } from "./receipt.tsx"
import { eraseSite } from "./siteList.ts"

export interface EraseSiteProps {
  readonly slug: string
  readonly isDefault: boolean
  readonly onErased: (receipt: SiteReceipt) => void
}

/** Asks for the site's short name before all that there is of it goes. */
export const EraseSite = ({ slug, isDefault, onErased }: EraseSiteProps) => {
  const { t, number } = useWording()
  const texts = t.settings.eraseSite
  const { erasing } = useFrame()
  const [events] = useLoaded(slug, (signal) => countEvents(slug, "all", signal))
  const [typed, set] = useState("")
  return (
    <div class="doing" ref={useFocused()}>
      <p class="hint">{texts.hint}</p>
      {!events.loading && (
        <p data-events={events.data ?? "unknown"}>
          {events.data === null ? texts.unknown : texts.has(events.data, number(events.data))}
        </p>
      )}
      {isDefault && <p class="hint">{texts.staysDefault}</p>}
      <Form
        name="erase-site"
        submit={isErasing(erasing, slug) ? texts.erasing : texts.erase}
        ready={typed === slug}
        action={erasing.actionOf({ kind: "site", name: slug })}
        onSubmit={async (signal) => onErased(await eraseSite(slug, signal))}
      >
        <TextField label={texts.confirm(slug)} value={typed} onInput={set} />
      </Form>
    </div>
  )
}

export interface ErasedSiteProps {
  readonly receipt: SiteReceipt
  readonly onClose: () => void
}

/** What went with a site. */
export const ErasedSite = ({ receipt, onClose }: ErasedSiteProps) => {
  const { t, number, dateOf } = useWording()
  const texts = t.settings.eraseSite
  const { site, events, first_at, last_at, days, goals, share_links, keys, removed, complete } = receipt
  const span = first_at === null || last_at === null ? "" : `, ${dateOf(first_at)} – ${dateOf(last_at)}`
  return (
    <ReceiptView
      title={texts.erased(site)}
      receipt={receipt}
      lines={[
        [t.site, site],
        [texts.events, `${number(events)}${span}`],
        [texts.days, number(days)],
        [texts.besides, `${number(goals)} · ${number(share_links)} · ${number(keys)}`],
        [texts.now, removed ? texts.removed : texts.empty],
        ...(complete ? [] : [[texts.left, texts.goesOn] as const]),
      ]}
      onClose={onClose}
    />
  )
}
