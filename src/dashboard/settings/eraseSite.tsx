/** Erases a site: what there is of it, a typed confirmation, and the receipt. */
import { useEffect, useState } from "preact/hooks"
import type { SiteReceipt } from "../../domain/answers.ts"
import { isQuestionAnswer } from "../model/decode.ts"
import { post } from "../model/read.ts"
import { useWording } from "../panels/parts.tsx"
import { Form, TextField, useFocused } from "./fields.tsx"
import { useAction } from "./listed.ts"
import { ReceiptView } from "./receipt.tsx"
import { eraseSite } from "./siteList.ts"

/** How many events a site has; `null` while it is not known, and where nobody can say. */
const useEvents = (site: string): number | null => {
  const [events, set] = useState<number | null>(null)
  useEffect(() => {
    const asking = new AbortController()
    const question = { site, metrics: ["events"], date_range: "all", bots: "include" }
    post("query", question, isQuestionAnswer, asking.signal).then(
      ({ data }) => set(data.results[0]?.metrics[0] ?? 0),
      () => {},
    )
    return () => asking.abort()
  }, [site])
  return events
}

export interface EraseSiteProps {
  readonly slug: string
  readonly isDefault: boolean
  readonly onErased: (receipt: SiteReceipt) => void
}

/** Asks for the site's short name before all that there is of it goes. */
export const EraseSite = ({ slug, isDefault, onErased }: EraseSiteProps) => {
  const { t, number } = useWording()
  const texts = t.settings.eraseSite
  const action = useAction()
  const events = useEvents(slug)
  const [typed, set] = useState("")
  return (
    <div class="doing" ref={useFocused()}>
      <p class="hint">{texts.hint}</p>
      {events !== null && <p data-events={events}>{texts.has(events, number(events))}</p>}
      {isDefault && <p class="hint">{texts.staysDefault}</p>}
      <Form
        name="erase-site"
        submit={action.busy ? texts.erasing : texts.erase}
        ready={typed === slug}
        action={action}
        onSubmit={async (signal) => onErased(await eraseSite(slug, signal))}
        words={{ STORE_UNAVAILABLE: texts.wait, NOT_FOUND: texts.missing }}
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
