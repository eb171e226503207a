import { useContext, useEffect, useState } from "preact/hooks"
import { PERIODS, type Period } from "../../domain/period.ts"
import { loginUrl, type Place, pageUrl } from "../model/place.ts"
import { SCHEMES, type Settings } from "../model/settings.ts"
import type { LiveStatus } from "../model/state.ts"
import { LANGUAGES } from "../model/text.ts"
import { AccessContext, hasSettings, isStranger } from "./access.ts"
import { Choice, useWording } from "./parts.tsx"
import { SiteChoice } from "./siteChoice.tsx"

export interface HeaderProps {
  readonly place: Place
  /** How the page is connected; nothing where it is not. */
  readonly status?: LiveStatus
  readonly settings: Settings
  readonly sites: ReadonlyArray<string>
  readonly choose: (change: Partial<Settings>) => void
}

export const Header = ({ place, status, settings, sites, choose }: HeaderProps) => {
  const { t } = useWording()
  const access = useContext(AccessContext)
  return (
    <header class="top">
      <h1>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <rect x="1" y="9" width="3.4" height="6" rx="1" />
          <rect x="6.3" y="5" width="3.4" height="10" rx="1" />
          <rect x="11.6" y="1" width="3.4" height="14" rx="1" />
        </svg>
        <span class="unseen">{place === "live" ? t.title : t[place].title}</span>
      </h1>
      <Places place={place} site={settings.site} />
      {sites.length > 1 && (
        <SiteChoice
          {...{ sites, site: settings.site }}
          several={place !== "settings"}
          onChoose={(site) => choose({ site })}
        />
      )}
      {status !== undefined && <ConnectionView status={status} counts={place === "front"} />}
      <div class="controls">
        {isStranger(access) && (
          <a class="quiet" href={loginUrl()}>
            {t.login}
          </a>
        )}
        {place === "live" && document.fullscreenEnabled && (
          <button
            type="button"
            class="quiet"
            onClick={() =>
              void (document.fullscreenElement === null
                ? document.documentElement.requestFullscreen()
                : document.exitFullscreen())
            }
          >
            {t.board.fullScreen}
          </button>
        )}
        <Choice
          name="scheme"
          label={t.scheme}
          options={SCHEMES.map((each) => [each, t.schemes[each]])}
          value={settings.scheme}
          onChoose={(scheme) => choose({ scheme })}
        />
        <Choice
          name="language"
          label={t.language}
          options={LANGUAGES.map((each) => [each, each.toUpperCase()])}
          value={settings.language}
          onChoose={(language) => choose({ language })}
        />
      </div>
    </header>
  )
}

interface PlacesProps {
  readonly place: Place
  readonly site: string | null
}

/** The pages that there are for the reader. */
const Places = ({ place, site }: PlacesProps) => {
  const { t } = useWording()
  const access = useContext(AccessContext)
  const names = { front: t.front.title, live: t.front.live, settings: t.settings.title }
  const places: ReadonlyArray<Place> = [
    "front",
    "live",
    ...(hasSettings(access) ? ["settings" as const] : []),
  ]
  return (
    <nav aria-label={t.front.navigation}>
      {places.map((each) => (
        <a
          key={each}
          href={pageUrl(each, site)}
          data-page={each}
          {...(each === place && { "aria-current": "page" })}
        >
          {names[each]}
        </a>
      ))}
    </nav>
  )
}

interface ConnectionProps {
  readonly status: LiveStatus
  /** Whether it also says how many visitors there are now. */
  readonly counts: boolean
}

const ConnectionView = ({ status, counts }: ConnectionProps) => {
  const { t, number, clock } = useWording()
  const { connection, realtime, storeUnavailable } = status
  const seconds = useSecondsUntil(connection.is === "waiting" ? connection.until : null)
  const stale = realtime !== null && connection.is !== "open"
  const is = connection.is === "open" && storeUnavailable ? "store" : connection.is
  return (
    <p class={`connection ${is}`}>
      <span class="dot" aria-hidden="true" />
      {/* For screen readers, without the seconds: each change of this text is read aloud. */}
      <span class="unseen" role="status">
        {is === "open" ? t.connection.open : is === "store" ? t.connection.store : t.connection.connecting}
      </span>
      <span aria-hidden="true" translate={false} data-connection={is}>
        {is === "waiting"
          ? t.connection.waiting(number(seconds))
          : is === "open" && counts && realtime !== null
            ? t.front.visitorsNow(number(realtime.current_visitors))
            : t.connection[is]}
        {stale && <em> · {t.connection.stale(clock(realtime.timestamp * 1000))}</em>}
      </span>
    </p>
  )
}

const useSecondsUntil = (until: number | null): number => {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    if (until === null) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 250)
    return () => clearInterval(timer)
  }, [until])
  return until === null ? 0 : Math.max(0, Math.ceil((until - now) / 1000))
}

export interface PeriodChoiceProps {
  readonly period: Period
  readonly onChoose: (period: Period) => void
}

export const PeriodChoice = ({ period, onChoose }: PeriodChoiceProps) => {
  const { t } = useWording()
  return (
    <Choice
      name="period"
      label={t.period}
      options={PERIODS.map((each) => [each, t.periods[each]])}
      value={period}
      onChoose={onChoose}
    />
  )
}
