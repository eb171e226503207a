/** The front page: what an owner sees first of a site. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import { Calendar } from "../../domain/period.ts"
import { askOrTake } from "../model/ask.ts"
import { Asking } from "../model/asking.ts"
import { withStatus } from "../model/changes.ts"
import { type Connection, connect } from "../model/connection.ts"
import { everQuestion, goesOn, totalsQuestion } from "../model/questions.ts"
import { ServerClock } from "../model/serverClock.ts"
import type { Settings } from "../model/settings.ts"
import { slugsChosen } from "../model/sites.ts"
import type { LiveStatus } from "../model/state.ts"
import { withoutGoals } from "../model/view.ts"
import { type Answered, AskingContext, useAnswer } from "../panels/answers.ts"
import { Header } from "../panels/header.tsx"
import { useWording } from "../panels/parts.tsx"
import { Beginning } from "./beginning.tsx"
import { BreakdownPanel } from "./breakdown.tsx"
import { Chips, FilterMenu } from "./chips.tsx"
import { Clicks } from "./clicks.tsx"
import { type Front, FrontContext, useFront, useView } from "./context.ts"
import { Details } from "./details.tsx"
import { FiguresPanel } from "./figures.tsx"
import { Help } from "./help.tsx"
import { useKeys } from "./keys.ts"
import { RangeMenu } from "./range.tsx"
import { PANELS } from "./tabs.ts"

export interface FrontPageProps {
  readonly settings: Settings
  readonly choose: (change: Partial<Settings>) => void
  readonly sites: ReadonlyArray<string>
  /** The sites for this reader may be others. */
  readonly sitesChanged: () => void
}

/** What keeps the answers of a site up to date while the page is open. */
const useLive = (site: string | null, sitesChanged: () => void) => {
  const clock = useMemo(() => new ServerClock(), [])
  const connection = useRef<Connection | null>(null)
  const asking = useMemo(
    () =>
      new Asking({
        ask: askOrTake,
        follow: (begun, ended) => connection.current?.ask(begun, ended),
      }),
    [site],
  )
  const [status, set] = useState<LiveStatus>({
    connection: { is: "connecting" },
    realtime: null,
    storeUnavailable: false,
  })
  useEffect(() => {
    let lost = false
    const opened = connect({
      site,
      topics: ["stats"],
      onState: (state) => {
        set((before) => ({ ...before, connection: state, storeUnavailable: false }))
        if (state.is === "waiting") lost = true
        if (state.is !== "open") return
        asking.connected(lost)
        lost = false
      },
      onFrame: (frame) => {
        if (frame.kind === "answer") asking.answered(frame.id, frame.data)
        if (frame.kind === "failure" && frame.id !== null) asking.failed(frame.id, frame.code)
        if (frame.kind === "realtime") clock.heard(frame.data.timestamp, Date.now())
        set((before) => withStatus(before, frame))
      },
      onRevoked: sitesChanged,
    })
    connection.current = opened
    return () => {
      opened.close()
      asking.close()
    }
  }, [site, asking, clock, sitesChanged])
  return { asking, status, clock }
}

export const FrontPage = ({ settings, choose, sites, sitesChanged }: FrontPageProps) => {
  const { site } = settings
  const { asking, status, clock } = useLive(site, sitesChanged)
  const [view, show] = useView()
  const slugs = useMemo(() => slugsChosen(site, sites), [site, sites])
  // Without a chosen zone, the day that ends last on earth.
  const calendar = useMemo(() => new Calendar(view.zone ?? "Etc/GMT+12"), [view.zone])
  const today = calendar.dayOf(clock.now(Date.now()))
  const live = goesOn(view.range, today)
  const front: Front = useMemo(
    () => ({ site, slugs, several: slugs.length > 1, view, show, now: () => clock.now(Date.now()) }),
    [site, slugs, view, show, clock],
  )
  const chooseHere = (change: Partial<Settings>) => {
    choose(change)
    if (change.site !== undefined && change.site !== site) show(withoutGoals(view), "replace")
  }
  const asked = useMemo(() => ({ asking, live }), [asking, live])
  return (
    <FrontContext.Provider value={front}>
      <AskingContext.Provider value={asked}>
        <Content {...{ settings, sites, status }} choose={chooseHere} />
      </AskingContext.Provider>
    </FrontContext.Provider>
  )
}

/** The totals of the view, and whether the site has not had any event ever, which is asked only where they say nothing. */
const useTotals = () => {
  const { site, view } = useFront()
  const totals = useAnswer(totalsQuestion(site, view), { first: true })
  const [visitors] = totals.part.data?.results[0]?.metrics ?? []
  const ever = useAnswer(visitors === 0 ? everQuestion(site) : null, { always: true })
  return { totals, empty: ever.part.data?.results[0]?.metrics[0] === 0 }
}

/** Milliseconds after which the page is drawn whole, whether its first figures have come or not. */
const WHOLE_MS = 500

/** Whether the whole page is to be drawn: its first figures come sooner where what is below them comes after them. */
const useWhole = ({ part }: Answered): boolean => {
  const [whole, set] = useState(false)
  const isTold = part.data !== null || part.failure !== null
  useEffect(() => {
    const late = setTimeout(() => set(true), isTold ? 0 : WHOLE_MS)
    return () => clearTimeout(late)
  }, [isTold])
  return whole
}

const Content = ({
  settings,
  choose,
  sites,
  status,
}: Omit<FrontPageProps, "sitesChanged"> & { readonly status: LiveStatus }) => {
  const front = useFront()
  const { t } = useWording()
  const [help, setHelp] = useState(false)
  useKeys(front, () => setHelp(true))
  const [zone, setZone] = useState<string | null>(null)
  const { totals, empty } = useTotals()
  const whole = useWhole(totals)
  // What began with this page open: the figures take the place of the first steps, and the first event stays in sight.
  const [begins, setBegins] = useState(false)
  useEffect(() => {
    if (empty) setBegins(true)
  }, [empty])
  return (
    <>
      <a class="skip" href="#figures">
        {t.skip}
      </a>
      <Header place="front" {...{ status, settings, sites, choose }} />
      {!empty && (
        <section class="tools" aria-label={t.front.tools}>
          <FilterMenu />
          <Chips />
          <button type="button" class="pill keys" title={t.front.help} onClick={() => setHelp(true)}>
            <span aria-hidden="true">?</span>
            <span class="unseen">{t.front.help}</span>
          </button>
          <RangeMenu siteZone={zone} />
        </section>
      )}
      <main id="figures" tabIndex={-1} class="front">
        {(empty || begins) && <Beginning empty={empty} onClose={() => setBegins(false)} />}
        {!empty && <FiguresPanel totals={totals} onZone={setZone} whole={whole} />}
        {whole && !empty && PANELS.map((panel) => <BreakdownPanel key={panel.name} {...panel} />)}
      </main>
      <Details />
      <Clicks />
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  )
}
