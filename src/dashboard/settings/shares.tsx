/** The tab of share links: the figures of one site, for somebody without a login. */
import { useState } from "preact/hooks"
import { MAX_PASSWORD, MIN_PASSWORD } from "../../domain/limits.ts"
import { urlBelow } from "../model/place.ts"
import { post } from "../model/read.ts"
import { Panel, useWording } from "../panels/parts.tsx"
import { useFrame } from "./context.ts"
import { useAction, useListed } from "./listed.ts"
import { Copied, ExpiryField, Form, SiteField, TextField, Told } from "./parts.tsx"
import { TokenList } from "./tokenList.tsx"
import { type Expiry, expiryOf, isMadeAnswer, isTokensAnswer, type Token } from "./tokens.ts"

/** A link that has just been made. */
interface Made {
  readonly name: string
  readonly url: string
  /** Whether other sites may show it in a frame. */
  readonly embedded: boolean
}

export const SharesTab = () => {
  const { t } = useWording()
  const [made, setMade] = useState<Made | null>(null)
  const listed = useListed("shares", {}, isTokensAnswer)
  const texts = t.settings.shares
  const factsOf = ({ sites, has_password, embed_on }: Token) => [
    sites?.join(", ") ?? t.settings.allSites,
    ...(has_password ? [texts.hasPassword] : []),
    ...(embed_on.length === 0
      ? []
      : [embed_on.includes("*") ? texts.embeddedAnywhere : texts.embeddedOn(embed_on.join(", "))]),
  ]
  return (
    <>
      {made !== null && <ToldLink made={made} onClose={() => setMade(null)} />}
      <Panel name="made-shares" title={t.settings.tabs.shares} hint={texts.hint}>
        <TokenList endpoint="shares" {...{ listed, texts, factsOf }} />
      </Panel>
      <Panel name="new-share" title={texts.make}>
        <NewShare
          onMade={(link) => {
            setMade(link)
            listed.again()
          }}
        />
      </Panel>
    </>
  )
}

/** A link, and what a page says that shows it in a frame. */
const ToldLink = ({ made, onClose }: { readonly made: Made; readonly onClose: () => void }) => {
  const { t } = useWording()
  return (
    <Told
      key={made.url}
      title={t.settings.shares.made(made.name)}
      hint={t.settings.shares.once}
      onClose={onClose}
    >
      <Copied name="link" label={t.settings.shares.link} value={made.url} />
      {made.embedded && <Copied name="embed" label={t.settings.shares.embed} value={frameOf(made)} />}
    </Told>
  )
}

const ENTITIES: { readonly [character: string]: string } = { "&": "&amp;", '"': "&quot;", "<": "&lt;" }

const escaped = (text: string): string => text.replace(/[&"<]/g, (each) => ENTITIES[each] ?? each)

const frameOf = ({ name, url }: Made): string =>
  `<iframe src="${escaped(url)}" title="${escaped(name)}" loading="lazy" style="width: 100%; height: 100vh; border: 0"></iframe>`

/** Origins as somebody types them: one or several, with commas or spaces between them. */
const originsOf = (text: string): ReadonlyArray<string> =>
  text
    .split(/[\s,]+/)
    .filter((each) => each !== "")
    // Whoever copies an address has its path, too, and whoever types one leaves out how it begins.
    .map((each) => (each === "*" || /^[a-z]+:\/\//i.test(each) ? each : `https://${each}`))
    .map((each) => (URL.canParse(each) ? new URL(each).origin : each))

const NEW = { name: "", password: "", embedOn: "", expiry: "never" as Expiry }

const NewShare = ({ onMade }: { readonly onMade: (made: Made) => void }) => {
  const { t } = useWording()
  const { site, sites } = useFrame()
  const action = useAction()
  const [fields, set] = useState({ ...NEW, site: site ?? sites[0] ?? "" })
  const texts = t.settings.shares
  const submit = async (signal: AbortSignal) => {
    const embed_on = originsOf(fields.embedOn)
    const body = {
      ...{ name: fields.name, site: fields.site, embed_on },
      password: fields.password === "" ? null : fields.password,
      expires_at: expiryOf(fields.expiry),
    }
    const { data } = await post("shares", body, isMadeAnswer, signal)
    const url = urlBelow("")
    url.searchParams.set("share", data.token)
    set({ ...NEW, site: fields.site })
    onMade({ name: fields.name, url: url.href, embedded: embed_on.length > 0 })
  }
  return (
    <Form
      name="share"
      submit={texts.make}
      action={action}
      onSubmit={submit}
      words={{ INVALID_FIELD: texts.invalid }}
    >
      <TextField
        label={t.settings.name}
        hint={texts.nameHint}
        value={fields.name}
        onInput={(name) => set({ ...fields, name })}
        required
        maxLength={100}
      />
      {sites.length > 1 && (
        <SiteField
          value={fields.site}
          sites={sites}
          onChoose={(chosen) => set({ ...fields, site: chosen })}
        />
      )}
      <TextField
        label={texts.password}
        hint={texts.passwordHint}
        value={fields.password}
        onInput={(password) => set({ ...fields, password })}
        secret
        autocomplete="new-password"
        minLength={MIN_PASSWORD}
        maxLength={MAX_PASSWORD}
      />
      <ExpiryField value={fields.expiry} onChoose={(expiry) => set({ ...fields, expiry })} />
      <TextField
        label={texts.embedOn}
        hint={texts.embedHint}
        value={fields.embedOn}
        onInput={(embedOn) => set({ ...fields, embedOn })}
        placeholder="https://example.org"
      />
    </Form>
  )
}
