/** The settings page: what an owner changes of the deployment, a tab for each kind of thing. */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks"
import type { SettingsTab } from "../../domain/paths.ts"
import type { Access } from "../model/decode.ts"
import { changeAddress, openTab, pageUrl } from "../model/place.ts"
import type { Settings } from "../model/settings.ts"
import { Header } from "../panels/header.tsx"
import { useWording } from "../panels/parts.tsx"
import { type Frame, FrameContext } from "./context.ts"
import { ErasedSite } from "./eraseSite.tsx"
import { type Erasing, useErasing } from "./erasing.ts"
import { Failed } from "./failed.tsx"
import { useReread } from "./siteList.ts"
import { type Tab, tabsFor } from "./tabs.ts"
import { ErasedVisitor } from "./visitors.tsx"

export interface SettingsPageProps {
  readonly settings: Settings
  readonly choose: (change: Partial<Settings>) => void
  readonly sites: ReadonlyArray<string>
  readonly sitesChanged: () => void
  /** A site is there no more. */
  readonly onGone: (site: string) => void
  readonly access: Access
}

/** The tab of the address, and what opens another one. */
const useTab = (site: string | null): readonly [SettingsTab | null, (tab: SettingsTab) => void] => {
  const [tab, set] = useState(openTab)
  useEffect(() => {
    const listen = () => set(openTab())
    window.addEventListener("popstate", listen)
    return () => window.removeEventListener("popstate", listen)
  }, [])
  const open = useCallback(
    (next: SettingsTab) => {
      changeAddress("push", new URL(pageUrl("settings", site, next)))
      set(next)
    },
    [site],
  )
  return [tab, open]
}

/** Why the last erasure has failed, for what was asked of it may not be on the page any more. */
const NotErased = ({ failed, dismiss }: Pick<Erasing, "failed" | "dismiss">) => {
  const { t } = useWording()
  const box = useRef<HTMLElement>(null)
  useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), [failed])
  if (failed === null) return null
  const { kind, name, failure } = failed
  const words =
    kind === "site"
      ? { STORE_UNAVAILABLE: t.settings.eraseSite.wait, NOT_FOUND: t.settings.eraseSite.missing }
      : { STORE_UNAVAILABLE: t.settings.visitors.wait }
  return (
    <section class="panel told" data-failed={name} ref={box}>
      <Failed {...{ failure, words, what: t.settings.erasing.failed(name) }} />
      <button type="button" class="pill" onClick={dismiss}>
        {t.settings.done}
      </button>
    </section>
  )
}

/** What is being erased. */
const Erases = ({ under }: Pick<Erasing, "under">) => {
  const { t } = useWording()
  return (
    <p class={under === null ? "unseen" : "hint"} role="status">
      {under !== null && t.settings.erasing.under(under.name)}
    </p>
  )
}

/** The receipt of what was erased last. */
const Receipt = ({ receipt, close }: Pick<Erasing, "receipt" | "close">) => {
  if (receipt === null) return null
  return "visitor_id" in receipt ? (
    <ErasedVisitor key={receipt.id} receipt={receipt} onClose={close} />
  ) : (
    <ErasedSite key={receipt.id} receipt={receipt} onClose={close} />
  )
}

export const SettingsPage = ({
  settings,
  choose,
  sites,
  sitesChanged,
  onGone,
  access,
}: SettingsPageProps) => {
  const { t } = useWording()
  const { site } = settings
  const tabs = useMemo(() => tabsFor(access), [access])
  const [asked, open] = useTab(site)
  const shown = tabs.find(({ name }) => name === asked) ?? tabs[0]
  const reread = useReread(sitesChanged)
  const erasing = useErasing((erased) => {
    if ("visitor_id" in erased) return
    if (erased.removed) onGone(erased.site)
    reread()
  })
  const main = useRef<HTMLElement>(null)
  /** Closes what had the focus. */
  const closes = (close: () => void) => () => {
    main.current?.focus()
    close()
  }
  const frame: Frame = { access, site, sites, sitesChanged, erasing }
  const title = shown === undefined ? t.settings.title : t.settings.tabs[shown.name]
  useEffect(() => {
    document.title = `${title} · ${t.settings.title}`
  }, [title, t])
  return (
    <FrameContext.Provider value={frame}>
      <a class="skip" href="#tab">
        {t.settings.skip}
      </a>
      <Header place="settings" {...{ settings, sites, choose }} />
      <div class="settings">
        <TabLinks {...{ tabs, shown, site, open }} />
        <main id="tab" tabIndex={-1} ref={main}>
          <Erases {...erasing} />
          <NotErased {...erasing} dismiss={closes(erasing.dismiss)} />
          <Receipt {...erasing} close={closes(erasing.close)} />
          {/* What was typed for one site is not meant for another. */}
          {shown !== undefined && <shown.View key={`${shown.name} ${site ?? ""}`} />}
        </main>
      </div>
    </FrameContext.Provider>
  )
}

interface TabLinksProps {
  readonly tabs: ReadonlyArray<Tab>
  readonly shown: Tab | undefined
  readonly site: string | null
  readonly open: (tab: SettingsTab) => void
}

/** Links, because each tab has an address: they may be opened elsewhere, too. */
const TabLinks = ({ tabs, shown, site, open }: TabLinksProps) => {
  const { t } = useWording()
  return (
    <nav class="settings-tabs" aria-label={t.settings.title}>
      {tabs.map(({ name }) => (
        <a
          key={name}
          href={pageUrl("settings", site, name)}
          data-tab={name}
          {...(name === shown?.name && { "aria-current": "page" })}
          onClick={(event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
            event.preventDefault()
            open(name)
          }}
        >
          {t.settings.tabs[name]}
        </a>
      ))}
    </nav>
  )
}
