/** The tab of API keys. */
import { useState } from "preact/hooks"
import { KEY_SCOPES } from "../../domain/roles.ts"
import { post } from "../model/read.ts"
import { ReadFailure } from "../model/readFailure.ts"
import { Panel, useWording } from "../panels/parts.tsx"
import { useSiteName } from "../panels/siteNames.ts"
import { useAction } from "./action.ts"
import { useFrame } from "./context.ts"
import { Checks, ExpiryField, Form, SitesField, TextField } from "./fields.tsx"
import { useListed } from "./listed.ts"
import { TokenList } from "./tokenList.tsx"
import { type Expiry, expiryOf, isMadeAnswer, isTokensAnswer } from "./tokens.ts"
import { Copied, Told } from "./told.tsx"

/** A key that has just been made. */
interface Made {
  readonly name: string
  readonly token: string
}

export const KeysTab = () => {
  const { t, dateOf, shortClock } = useWording()
  const siteName = useSiteName()
  const [made, setMade] = useState<Made | null>(null)
  const listed = useListed("keys", {}, isTokensAnswer)
  const texts = t.settings.keys
  return (
    <>
      {made !== null && (
        <Told key={made.token} title={texts.made(made.name)} hint={texts.once} onClose={() => setMade(null)}>
          <Copied name="key" label={texts.key} value={made.token} />
        </Told>
      )}
      <Panel name="made-keys" title={t.settings.tabs.keys} hint={texts.hint}>
        <TokenList
          endpoint="keys"
          listed={listed}
          texts={texts}
          factsOf={({ scopes, sites, last_used_at: used }) => [
            KEY_SCOPES.filter((scope) => scopes.includes(scope))
              .map((scope) => texts.scopesOf[scope])
              .join(", "),
            sites?.map(siteName).join(", ") ?? t.settings.allSites,
            used === null
              ? texts.notUsed
              : texts.lastUsed(`${dateOf(used)}, ${shortClock(Date.parse(used))}`),
          ]}
        />
      </Panel>
      <Panel name="new-key" title={texts.make}>
        <NewKey
          onMade={(key) => {
            setMade(key)
            listed.again()
          }}
        />
      </Panel>
    </>
  )
}

const NEW = {
  name: "",
  scopes: ["read"] as ReadonlyArray<string>,
  sites: [] as ReadonlyArray<string>,
  expiry: "never" as Expiry,
}

const NewKey = ({ onMade }: { readonly onMade: (made: Made) => void }) => {
  const { t } = useWording()
  const { sites } = useFrame()
  const action = useAction()
  const [fields, set] = useState(NEW)
  const texts = t.settings.keys
  const submit = async (signal: AbortSignal) => {
    if (fields.scopes.length === 0) throw new ReadFailure("INVALID_FIELD", texts.needsScope)
    const isAdmin = fields.scopes.includes("admin")
    const body = {
      ...{ name: fields.name, scopes: fields.scopes },
      sites: isAdmin || fields.sites.length === 0 ? null : fields.sites,
      expires_at: expiryOf(fields.expiry),
    }
    const { data } = await post("keys", body, isMadeAnswer, signal)
    set(NEW)
    onMade({ name: fields.name, token: data.token })
  }
  return (
    <Form name="key" submit={texts.make} action={action} onSubmit={submit}>
      <TextField
        label={t.settings.name}
        hint={texts.nameHint}
        value={fields.name}
        onInput={(name) => set({ ...fields, name })}
        required
        maxLength={100}
      />
      <ExpiryField value={fields.expiry} onChoose={(expiry) => set({ ...fields, expiry })} />
      <Checks
        label={texts.scopes}
        {...(fields.scopes.includes("admin") && sites.length > 1 && { hint: texts.adminHasAll })}
        options={KEY_SCOPES.map((scope) => [scope, texts.scopeNames[scope]])}
        values={fields.scopes}
        onChoose={(scopes) => set({ ...fields, scopes })}
      />
      {sites.length > 1 && !fields.scopes.includes("admin") && (
        <SitesField
          sites={sites}
          values={fields.sites}
          onChoose={(some) => set({ ...fields, sites: some })}
        />
      )}
    </Form>
  )
}
