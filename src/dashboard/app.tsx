/** The page: settings, the store of the chosen site, and the panels. */
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks"
import { ALL_SITES, chosenSites, slugsOf } from "../domain/siteChoice.ts"
import { FrontPage } from "./front/frontPage.tsx"
import { RETRY_MS } from "./model/asking.ts"
import { type Access, isSitesAnswer, type SiteZones, siteNames, siteZones } from "./model/decode.ts"
import { openPlace } from "./model/place.ts"
import { read } from "./model/read.ts"
import { failureCode } from "./model/readFailure.ts"
import { applySettings, keepSettings, readSettings, type Settings } from "./model/settings.ts"
import { shareToken } from "./model/share.ts"
import { slugsChosen } from "./model/sites.ts"
import type { Loaded, Part, State } from "./model/state.ts"
import { Store } from "./model/store.ts"
import { wordingOf } from "./model/text.ts"
import { AccessContext, hasSettings, READER, useAccess } from "./panels/access.ts"
import { AskingContext } from "./panels/answers.ts"
import { Board } from "./panels/board.tsx"
import { Closed, NoSite, NoSites, Unread } from "./panels/closed.tsx"
import { Exposed } from "./panels/exposed.tsx"
import { FeedPanel } from "./panels/feed.tsx"
import { Header } from "./panels/header.tsx"
import { HeatmapPanel } from "./panels/heatmap.tsx"
import { HourPanel } from "./panels/hour.tsx"
import { LettersPanel } from "./panels/letters.tsx"
import { Now } from "./panels/now.tsx"
import { useWording, WordingContext } from "./panels/parts.tsx"
import { PeriodPanel } from "./panels/period.tsx"
import { SiteNamesContext } from "./panels/siteNames.ts"
import { SiteZone } from "./panels/siteZone.tsx"
import { ThemesPanel } from "./panels/themes.tsx"
import { TimelinePanel } from "./panels/timeline.tsx"
import { Today } from "./panels/today.tsx"
import { SettingsPage } from "./settings/settingsPage.tsx"

/** Which of the pages this is. */
const PLACE = openPlace()

export const App = () => {
  const [settings, choose] = useSettings()
  const wording = useMemo(() => wordingOf(settings.language), [settings.language])
  const dark = useDark()
  const scheme = settings.scheme === "auto" ? (dark ? "dark" : "light") : settings.scheme
  const sites = useSites()
  const access = useAccess(sites.changes)
  const { title } = PLACE === "live" ? wording.t : wording.t[PLACE]
  // Before the panels draw, for they read colours from the document.
  useMemo(() => applySettings(settings.language, scheme, title), [scheme, settings, wording])
  return (
    <WordingContext.Provider value={wording}>
      <AccessContext.Provider value={access.data ?? READER}>
        <SiteNamesContext.Provider value={sites.titles}>
          <Page {...{ settings, choose, sites, scheme, access }} />
          <Exposed />
        </SiteNamesContext.Provider>
      </AccessContext.Provider>
    </WordingContext.Provider>
  )
}

interface PageProps extends Omit<SiteProps, "sites" | "several" | "sitesChanged"> {
  readonly sites: Sites
  readonly access: Loaded<Access>
}

/** What the address asks for, or why that cannot be shown. */
const Page = ({ sites, access, ...props }: PageProps) => {
  const { site } = props.settings
  const { names } = sites
  const { t } = useWording()
  // What is chosen by the time that an erasure ends.
  const latest = useRef(site)
  latest.current = site
  if (PLACE === "settings" && access.data !== null && !hasSettings(access.data))
    return <Closed title={t.settings.closed} hint={t.settings.closedHint} />
  // Who is logged in, and may not see the sites there are, has none.
  const isUser = access.data !== null && access.data.login !== null
  const hasNone = sites.closed ? isUser : sites.known && names.length === 0
  if (sites.closed && !hasNone) return <Closed title={t.closed} hint={t.closedHint} />
  // A share link is of one site, which it need not name.
  if (shareToken() !== null && site === null) {
    const [only] = names
    if (only === undefined) return sites.failure === null ? null : <Unread failure={sites.failure} />
    return <Page {...props} {...{ sites, access }} settings={{ ...props.settings, site: only }} />
  }
  if (hasNone && PLACE !== "settings") return <NoSites again={sites.again} />
  const chosen = chosenSites(site ?? ALL_SITES, new Set(names))
  // Settings are of another one then: Back may lead to one that has been erased.
  if (names.length > 0 && "unknown" in chosen && PLACE !== "settings")
    return <NoSite site={chosen.unknown} sites={names} />
  const slugs = slugsChosen(site, names)
  if (PLACE === "settings") {
    const failure = access.failure ?? sites.failure
    if (access.data !== null && (sites.known || hasNone)) {
      const { own } = access.data
      const first = slugs.find((each) => own.includes(each)) ?? slugs[0] ?? null
      return (
        <SettingsPage
          {...props}
          // What belongs to a site is changed of one at a time.
          {...ownOf({ ...props.settings, site: site === null ? null : first }, names, access.data)}
          sitesChanged={sites.again}
          onGone={(gone) => {
            const { current } = latest
            if (current !== null && slugsOf(current).includes(gone)) props.choose({ site: null })
          }}
          access={access.data}
        />
      )
    }
    return failure === null ? null : <Unread failure={failure} />
  }
  return PLACE === "live" ? (
    <SiteZone zones={sites.zones} slugs={slugs}>
      <Site key={site ?? ""} {...props} sites={names} several={slugs.length > 1} sitesChanged={sites.again} />
    </SiteZone>
  ) : (
    <FrontPage key={site ?? ""} {...props} sites={names} sitesChanged={sites.again} />
  )
}

/** What settings are about: the reader's own sites, of which the first is chosen where the address names none of them. */
const ownOf = (settings: Settings, names: ReadonlyArray<string>, { own }: Access) => {
  const sites = names.filter((name) => own.includes(name))
  const [byDefault] = names
  const [first = null] = sites
  const isOwn = sites.includes(settings.site ?? byDefault ?? "")
  return { sites, settings: isOwn ? settings : { ...settings, site: first } }
}

/** The settings, and what changes some of them. A choice is kept at once: a reload may come before it is drawn. */
const useSettings = (): readonly [Settings, (change: Partial<Settings>) => void] => {
  const [settings, setSettings] = useState(() => keepSettings(readSettings()))
  const latest = useRef(settings)
  const choose = useCallback((change: Partial<Settings>) => {
    const { site } = latest.current
    // The page of the heatmap belongs to the site.
    const page = change.site !== undefined && change.site !== site ? { page: "" } : {}
    latest.current = keepSettings({ ...latest.current, ...page, ...change })
    setSettings(latest.current)
  }, [])
  // Back and Forward: the page is of what the address names.
  useEffect(() => {
    const listen = () => {
      const { site, period, page } = readSettings()
      choose({ site, period, page })
    }
    window.addEventListener("popstate", listen)
    return () => window.removeEventListener("popstate", listen)
  }, [choose])
  return [settings, choose]
}

interface SiteProps {
  readonly settings: Settings
  readonly choose: (change: Partial<Settings>) => void
  readonly sites: ReadonlyArray<string>
  /** Whether it is about more than one of them. */
  readonly several: boolean
  readonly scheme: string
  /** The sites for this reader may be others. */
  readonly sitesChanged: () => void
}

/** The panels of one site; another site is another instance. */
const Site = ({ settings, choose, sites, several, scheme, sitesChanged }: SiteProps) => {
  const store = useStore(settings, sitesChanged)
  const { t } = useWording()
  useEffect(() => store?.choosePeriod(settings.period), [store, settings.period])
  useEffect(() => store?.choosePage(settings.page), [store, settings.page])
  const asked = useMemo(() => (store === null ? null : { asking: store.asking, live: true }), [store])
  if (store === null) return null
  const state: State = store.state
  const again = (part: Part) => () => void store.load(part)
  return (
    <>
      <a class="skip" href="#figures">
        {t.skip}
      </a>
      <Header place="live" status={state} {...{ settings, sites, choose }} />
      <main
        id="figures"
        tabIndex={-1}
        class={state.connection.is === "waiting" || state.storeUnavailable ? "stale" : ""}
      >
        <Now state={state} />
        <HourPanel hour={state.hour} scheme={scheme} onAgain={again("hour")} />
        <Today state={state} />
        <AskingContext.Provider value={asked}>
          <Board site={settings.site} now={() => store.now()} />
        </AskingContext.Provider>
        <PeriodPanel
          period={settings.period}
          stats={state.stats}
          onChoose={(period) => choose({ period })}
          onAgain={again("stats")}
        />
        <LettersPanel period={settings.period} letters={state.letters} onAgain={again("letters")} />
        <ThemesPanel themes={state.themes} onAgain={again("themes")} />
        <HeatmapPanel
          clicks={state.clicks}
          page={settings.page}
          pages={state.pages}
          scheme={scheme}
          onChoose={(page) => choose({ page })}
          onAgain={again("clicks")}
        />
        <FeedPanel state={state} several={several} />
        <TimelinePanel
          site={settings.site}
          timeline={state.timeline}
          newEvents={state.newEvents}
          onAgain={again("timeline")}
          onOlder={() => void store.loadOlder()}
        />
      </main>
    </>
  )
}

/** The store of a site while its panels are on the page. */
const useStore = ({ site, period, page }: Settings, onRevoked: () => void): Store | null => {
  const [, draw] = useReducer((count: number) => count + 1, 0)
  const store = useRef<Store | null>(null)
  useEffect(() => {
    const made = new Store({ site, period, page, draw: () => draw(undefined), onRevoked })
    store.current = made
    draw(undefined)
    return () => made.close()
  }, [site])
  return store.current
}

/** The sites, as far as they are known; `closed` where they are not for this reader. */
interface Sites {
  readonly names: ReadonlyArray<string>
  /** Whether they have been read. There may be none for this reader. */
  readonly known: boolean
  readonly closed: boolean
  /** What they are called, by their slugs. */
  readonly titles: ReadonlyMap<string, string>
  readonly zones: SiteZones
  /** The `code` of the last read's failure. */
  readonly failure: string | null
  /** Has them read again: some have changed. */
  readonly again: () => void
  /** How often that was. */
  readonly changes: number
}

const NO_SITES: Omit<Sites, "again" | "changes"> = {
  ...{ names: [], known: false, titles: new Map(), closed: false, failure: null },
  zones: { server: null, chosen: new Map() },
}

const useSites = (): Sites => {
  const [sites, setSites] = useState(NO_SITES)
  const [changes, count] = useState(0)
  useEffect(() => {
    const reading = new AbortController()
    let retry: ReturnType<typeof setTimeout> | undefined
    const load = () =>
      read("sites", {}, isSitesAnswer, reading.signal).then(
        (answer) =>
          setSites({
            ...{ ...NO_SITES, names: answer.data.sites, known: true },
            ...{ titles: siteNames(answer), zones: siteZones(answer) },
          }),
        (cause: unknown) => {
          if (reading.signal.aborted) return
          const failure = failureCode(cause)
          const closed = failure === "UNAUTHORIZED" || failure === "FORBIDDEN"
          // What was known before stays, but for whom it is closed.
          setSites((before) => ({ ...(closed ? NO_SITES : before), closed, failure }))
          // Without the list the page has no switch between sites; the panels tell what else is wrong.
          if (!closed) retry = setTimeout(load, RETRY_MS)
        },
      )
    void load()
    return () => {
      clearTimeout(retry)
      reading.abort()
    }
  }, [changes])
  return { ...sites, changes, again: useCallback(() => count((before) => before + 1), []) }
}

const useDark = (): boolean => {
  const query = useMemo(() => matchMedia("(prefers-color-scheme: dark)"), [])
  const [dark, setDark] = useState(query.matches)
  useEffect(() => {
    const listen = () => setDark(query.matches)
    query.addEventListener("change", listen)
    return () => query.removeEventListener("change", listen)
  }, [query])
  return dark
}
