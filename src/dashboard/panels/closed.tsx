/** What stands in place of the figures when there are none to be seen. */
import { useContext, useEffect, useState } from "preact/hooks"
import { RETRY_MS } from "../model/asking.ts"
import { isText, shape } from "../model/decode.ts"
import { shownName } from "../model/names.ts"
import { loginUrl, pageUrl } from "../model/place.ts"
import { post } from "../model/read.ts"
import { failureCode } from "../model/readFailure.ts"
import { shareToken, siteParameters } from "../model/share.ts"
import { AccessContext, hasSettings, isStranger } from "./access.ts"
import { useWording } from "./parts.tsx"

export interface NoSiteProps {
  readonly site: string
  readonly sites: ReadonlyArray<string>
}

/** The address names a site that does not exist. */
export const NoSite = ({ site, sites }: NoSiteProps) => {
  const { t } = useWording()
  return (
    <main class="instead">
      <h1>{t.noSite(shownName(site))}</h1>
      <p>{t.noSiteHint}</p>
      <ul>
        {sites.map((each) => (
          <li key={each}>
            <a href={`?${siteParameters(each)}`}>{each}</a>
          </li>
        ))}
      </ul>
    </main>
  )
}

export interface NoSitesProps {
  /** Looks whether there are some. */
  readonly again: () => void
}

/** There is no site for this reader: the only one that was may have been erased. Another one may be given at any time. */
export const NoSites = ({ again }: NoSitesProps) => {
  const { t } = useWording()
  const access = useContext(AccessContext)
  useEffect(() => {
    const looking = setInterval(again, RETRY_MS)
    return () => clearInterval(looking)
  }, [again])
  return (
    <main class="instead">
      <h1>{t.noSites}</h1>
      <p>{t.noSitesHint}</p>
      <p>
        {hasSettings(access) && <a href={pageUrl("settings", null)}>{t.settings.title}</a>}
        {isStranger(access) && <a href={loginUrl()}>{t.login}</a>}
      </p>
    </main>
  )
}

/** Which site the link is of cannot be read now; it is read again by itself. */
export const Unread = ({ failure }: { readonly failure: string }) => {
  const { t } = useWording()
  return (
    <main class="instead">
      <h1>{t.failed}</h1>
      <p role="alert">{t.failures.get(failure) ?? failure}</p>
    </main>
  )
}

export interface ClosedProps {
  readonly title: string
  readonly hint: string
}

/** What the address asks for is not for this reader: there may be a password, or a login. */
export const Closed = ({ title, hint }: ClosedProps) => {
  const { t } = useWording()
  const share = shareToken()
  return (
    <main class="instead">
      <h1>{title}</h1>
      <p>{hint}</p>
      {share !== null && <PasswordForm share={share} />}
      <p>
        <a class={share === null ? "primary" : ""} href={loginUrl()}>
          {t.login}
        </a>
      </p>
    </main>
  )
}

const isUnlocked = shape<{ readonly data: { readonly token: string } }>({
  data: shape<{ readonly token: string }>({ token: isText }),
})

/** Opens a share link with its password. */
const PasswordForm = ({ share }: { readonly share: string }) => {
  const { t } = useWording()
  const [password, setPassword] = useState("")
  const [failure, setFailure] = useState<string | null>(null)
  const open = () =>
    post("share", { token: share, password }, isUnlocked, new AbortController().signal).then(
      ({ data }) => {
        const url = new URL(location.href)
        url.searchParams.set("share", data.token)
        location.replace(url)
      },
      (cause: unknown) => setFailure(failureCode(cause)),
    )
  return (
    <form
      class="password"
      onSubmit={(e) => {
        e.preventDefault()
        void open()
      }}
    >
      <label>
        {t.password}
        <input
          type="password"
          value={password}
          autocomplete="current-password"
          onInput={(e) => setPassword(e.currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary" disabled={password === ""}>
        {t.open}
      </button>
      {failure !== null && (
        <p role="alert">
          {failure === "WRONG_CREDENTIALS"
            ? t.wrongPassword
            : `${t.failed} ${t.failures.get(failure) ?? failure}`}
        </p>
      )}
    </form>
  )
}
