/** The tab of share links: the figures of one site, for somebody without a login. */
import { useState } from "preact/hooks"
import { MAX_PASSWORD, MIN_PASSWORD } from "../../domain/limits.ts"
import { urlBelow } from "../model/place.ts"
import { post } from "../model/read.ts"
import { Panel, useWording } from "../panels/parts.tsx"
import { useSiteName } from "../panels/siteNames.ts"
import { useAction } from "./action.ts"
import { useFrame } from "./context.ts"
import { ExpiryField, Form, SiteField, TextField } from "./fields.tsx"
import { useListed } from "./listed.ts"
import { TokenList } from "./tokenList.tsx"
import { type Expiry, expiryOf, isMadeAnswer, isTokensAnswer, type Token } from "./tokens.ts"
import { Copied, Told } from "./told.tsx"

/** A link that can be copied. */
interface Made extends Pick<Token, "name" | "embed_on"> {
  readonly token: string
}

export const SharesTab = () => {
  const { t } = useWording()
  const siteName = useSiteName()
  const [made, setMade] = useState<Made | null>(null)
  const listed = useListed("shares", {}, isTokensAnswer)
  const texts = t.settings.shares
  const factsOf = ({ sites, has_password, embed_on }: Token) => [
    sites?.map(siteName).join(", ") ?? t.settings.allSites,
    ...(has_password ? [texts.hasPassword] : []),
    ...(embed_on.length === 0
      ? []
      : [embed_on.includes("*") ? texts.embeddedAnywhere : texts.embeddedOn(embed_on.join(", "))]),
  ]
  return (
    <>
      {made !== null && (
        <Told key={made.token} title={texts.made(made.name)} hint={texts.again} onClose={() => setMade(null)}>
          <Link {...made} />
        </Told>
      )}
      <Panel name="made-shares" title={t.settings.tabs.shares} hint={texts.hint}>
        <TokenList
          endpoint="shares"
          {...{ listed, texts, factsOf }}
          shown={{
            label: texts.link,
            of: ({ token, ...link }) => (token === null ? null : <Link {...link} token={token} />),
          }}
        />
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

/** The address of a link, and what a page says that shows it in a frame. */
const Link = ({ name, token, embed_on }: Made) => {
  const { t } = useWording()
  const url = urlBelow("")
  url.searchParams.set("share", token)
  return (
    <>
      <Copied name="link" label={t.settings.shares.link} value={url.href} />
      {embed_on.length > 0 && (
        <Copied name="embed" label={t.settings.shares.embed} value={frameOf(name, url.href)} />
      )}
    </>
  )
}

const ENTITIES: { readonly [character: string]: string } = { "&": "&amp;", '"': "&quot;", "<": "&lt;" }

const escaped = (text: string): string => text.replace(/[&"<]/g, (each) => ENTITIES[each] ?? each)

const frameOf = (name: string, url: string): string =>
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
    set({ ...NEW, site: fields.site })
    onMade({ name: fields.name, token: data.token, embed_on })
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
