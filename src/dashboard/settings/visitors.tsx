/** The tab of visitors: what is kept of somebody who asks, to hand it over or to erase it. */
import { useEffect, useState } from "preact/hooks"
import type { KeptOfVisitor, KeptOnSite, VisitorReceipt } from "../../domain/answers.ts"
import { isNumber, isText, listOf, shape } from "../model/decode.ts"
import { visitorOf } from "../model/place.ts"
import { endpointUrl, read } from "../model/read.ts"
import { Panel, useWording } from "../panels/parts.tsx"
import { useSiteName } from "../panels/siteNames.ts"
import { useAction } from "./action.ts"
import { useFrame } from "./context.ts"
import { erase } from "./erasing.ts"
import { Form, TextField } from "./fields.tsx"
import { isOfReceipt, ReceiptView } from "./receipt.tsx"
import { What } from "./rows.tsx"

const keptOnSites = listOf(
  shape<KeptOnSite>({ site: isText, events: isNumber, first_at: isText, last_at: isText }),
)

const isKept = shape<{ readonly data: KeptOfVisitor }>({
  data: shape<KeptOfVisitor>({ visitor_id: isText, events: isNumber, sites: keptOnSites }),
})

const isErased = shape<{ readonly data: { readonly receipt: VisitorReceipt } }>({
  data: shape<{ readonly receipt: VisitorReceipt }>({
    receipt: shape<VisitorReceipt>({ ...isOfReceipt, visitor_id: isText, sites: keptOnSites }),
  }),
})

const pathOf = (visitor: string): string => `visitors/${encodeURIComponent(visitor)}`

export const VisitorsTab = () => {
  const { t } = useWording()
  const texts = t.settings.visitors
  const action = useAction()
  const [id, setId] = useState(() => visitorOf(location.hash))
  const [kept, setKept] = useState<KeptOfVisitor | null>(null)
  const { erasing } = useFrame()
  const find = async (signal: AbortSignal) => {
    setKept(null)
    setKept((await read(pathOf(id.trim()), { summary: "true" }, isKept, signal)).data)
  }
  // One that a link has named is looked for at once.
  useEffect(() => {
    if (id !== "") action.run(find)
  }, [])
  return (
    <>
      <Panel name="find-visitor" title={t.settings.tabs.visitors} hint={texts.hint}>
        <Form
          name="visitor"
          submit={texts.find}
          ready={erasing.under === null}
          action={action}
          onSubmit={find}
          words={{ INVALID_VISITOR_ID: texts.invalid, NOT_FOUND: texts.invalid }}
        >
          <TextField
            label={texts.id}
            hint={texts.idHint}
            value={id}
            onInput={setId}
            placeholder="7d2f6c1e-2a55-4c4b-8a0d-6f6f0f7c1f11"
            required
            maxLength={36}
          />
        </Form>
      </Panel>
      {kept !== null && (
        <Kept
          key={kept.visitor_id}
          kept={kept}
          onErased={(erased) => {
            setKept(null)
            erasing.tell(erased)
          }}
        />
      )}
    </>
  )
}

export interface ErasedVisitorProps {
  readonly receipt: VisitorReceipt
  readonly onClose: () => void
}

/** What went with a visitor. */
export const ErasedVisitor = ({ receipt, onClose }: ErasedVisitorProps) => {
  const { t, number } = useWording()
  const texts = t.settings.visitors
  const { visitor_id, events, sites } = receipt
  const lines = useSiteLines()(sites)
  return (
    <ReceiptView
      title={texts.erased}
      receipt={receipt}
      lines={[[texts.id, visitor_id], [texts.events, number(events)], ...lines]}
      onClose={onClose}
    />
  )
}

/** What says in lines what each site has, or had. */
const useSiteLines = () => {
  const { t, dateOf } = useWording()
  const siteName = useSiteName()
  return (sites: ReadonlyArray<KeptOnSite>) =>
    sites.map(
      ({ site, events, first_at, last_at }) =>
        [siteName(site), t.settings.visitors.eventsOf(events, dateOf(first_at), dateOf(last_at))] as const,
    )
}

const KeptOn = (kept: KeptOnSite) => {
  const [[name, what] = ["", ""]] = useSiteLines()([kept])
  return (
    <li data-listed={name}>
      <What name={name}>{what}</What>
    </li>
  )
}

interface KeptProps {
  readonly kept: KeptOfVisitor
  readonly onErased: (receipt: VisitorReceipt) => void
}

/** What is kept of a visitor, and what can be done with it. */
const Kept = ({ kept: { visitor_id, sites }, onErased }: KeptProps) => {
  const { t } = useWording()
  const texts = t.settings.visitors
  const { erasing } = useFrame()
  const [typed, type] = useState("")
  // Enough of it for nobody to erase another one.
  const beginning = visitor_id.slice(0, 8)
  return (
    <Panel name="kept" title={texts.kept}>
      {sites.length === 0 ? (
        <p class="empty">{texts.nothing}</p>
      ) : (
        <>
          <ul class="listed">
            {sites.map((each) => (
              <KeptOn key={each.site} {...each} />
            ))}
          </ul>
          <p class="does">
            <a
              class="pill"
              href={endpointUrl(pathOf(visitor_id)).href}
              download={`visitor-${visitor_id}.json`}
            >
              {texts.download}
            </a>
          </p>
        </>
      )}
      <p class="hint">{texts.eraseHint}</p>
      <Form
        name="erase-visitor"
        submit={texts.erase}
        ready={typed.trim() === beginning}
        action={erasing.actionOf({ kind: "visitor", name: visitor_id })}
        onSubmit={async (signal) => {
          const { data } = await erase(pathOf(visitor_id), isErased, signal)
          onErased(data.receipt)
        }}
      >
        <TextField label={texts.confirm(beginning)} value={typed} onInput={type} />
      </Form>
    </Panel>
  )
}
