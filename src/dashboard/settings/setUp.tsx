/** How events of a site begin to come: the tag for its pages, and what arrives of them, from the first event on. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { LiveEvent, Refusal } from "../../domain/frames.ts"
import { type Arrivals, NO_ARRIVALS, stillRefused, withArrival, withStored } from "../model/arrivals.ts"
import { connect } from "../model/connection.ts"
import { isAnswer } from "../model/decode.ts"
import { shortPage } from "../model/events.ts"
import { urlBelow } from "../model/place.ts"
import { read } from "../model/read.ts"
import type { ConnectionState } from "../model/state.ts"
import { Panel, useWording } from "../panels/parts.tsx"
import { type Action, useAction } from "./action.ts"
import { Failed } from "./failed.tsx"
import { addHost, type Site } from "./siteList.ts"
import { Copied } from "./told.tsx"

export interface TagProps {
  readonly site: Site
  /** The path of the script, below the node's address. */
  readonly script: string
}

export interface ArrivingProps {
  readonly site: Site
  /** The site has been changed. */
  readonly onChange: () => void
}

export interface SetUpProps extends TagProps, ArrivingProps {
  readonly onClose: () => void
}

/** The tag of a site's pages, with the address by which this page is open: whatever proxies are before the node, it is theirs. */
const tagOf = (slug: string, script: string): string =>
  `<script async src="${urlBelow(script.slice(1)).href}" data-site="${slug}"></script>`

export const SetUp = ({ site, script, onChange, onClose }: SetUpProps) => {
  const { t } = useWording()
  const texts = t.settings.ofSites
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => {
    place.current?.focus()
    place.current?.scrollIntoView({ block: "nearest" })
  }, [])
  return (
    <div ref={place} tabIndex={-1} data-setup={site.slug}>
      <Panel
        name="set-up"
        title={texts.setUpOf(site.name)}
        hint={texts.setUpHint}
        aside={
          <button type="button" class="quiet" onClick={onClose}>
            {t.settings.done}
          </button>
        }
      >
        <Tag {...{ site, script }} />
        <Arriving site={site} onChange={onChange} />
      </Panel>
    </div>
  )
}

/** What a site's pages have to have in them. */
export const Tag = ({ site, script }: TagProps) => {
  const { t } = useWording()
  const texts = t.settings.ofSites
  return (
    <>
      <Copied name="tag" label={texts.tag} value={tagOf(site.slug, script)} />
      {location.protocol === "http:" && <p class="hint">{texts.overHttp}</p>}
    </>
  )
}

/** The latest event that is stored of a site. */
const storedEvent = async (site: string, signal: AbortSignal): Promise<LiveEvent | null> => {
  const { data } = await read("timeline", { site, limit: 1 }, isAnswer.timeline, signal)
  const [row] = data
  if (row === undefined) return null
  const { event_type: type, created_at: timestamp, visitor_id, page_url } = row
  return { site, type, timestamp, visitor_id, page_url, data: null }
}

/** What arrives of a site while this is on the page. */
const useArrivals = (site: string): readonly [Arrivals, ConnectionState["is"]] => {
  const [arrivals, set] = useState(NO_ARRIVALS)
  const [is, setIs] = useState<ConnectionState["is"]>("connecting")
  useEffect(() => {
    const reading = new AbortController()
    // Where it cannot be read, events are waited for all the same.
    const look = () =>
      void storedEvent(site, reading.signal).then(
        (event) => set((before) => withStored(before, event)),
        () => reading.signal.aborted || set((before) => withStored(before, null)),
      )
    const connection = connect({
      site,
      topics: ["events", "stats", "refusals"],
      onState: (state) => {
        setIs(state.is)
        if (state.is === "open") look()
      },
      onFrame: (frame) => {
        set((before) => withArrival(before, frame, site))
        // Under load an event may be summed only.
        if (frame.kind === "realtime" && frame.omitted !== null) look()
      },
    })
    return () => {
      reading.abort()
      connection.close()
    }
  }, [site])
  return [arrivals, is]
}

/** That the first event is waited for, until it is there, and what is wrong when it is refused. */
export const Arriving = ({ site, onChange }: ArrivingProps) => {
  const { t } = useWording()
  const [arrivals, is] = useArrivals(site.slug)
  const { event, first, looked } = arrivals
  const action = useAction()
  const refused = stillRefused(arrivals, site.hosts)
  const texts = t.settings.ofSites
  const state =
    is !== "open" || !(looked || event !== null) ? "connecting" : event === null ? "waiting" : "arrived"
  return (
    <>
      <div class={`arriving ${state === "arrived" ? "open" : ""}`} data-arriving={state}>
        <span class="dot" aria-hidden="true" />
        <p role="status">
          {state === "connecting"
            ? t.connection.connecting
            : event === null
              ? texts.waiting
              : first
                ? texts.arrived
                : texts.arriving}
        </p>
        {event !== null && <Arrived event={event} />}
      </div>
      {refused.length > 0 && (
        <ul class="refused" aria-label={texts.refusals}>
          {refused.map((each) => (
            <Refused
              key={`${each.site} ${each.code} ${each.host}`}
              {...{ site, onChange, action }}
              refusal={each}
            />
          ))}
        </ul>
      )}
      <Failed failure={action.failure} />
      {event === null && (
        <details class="nothing">
          <summary>{texts.nothing}</summary>
          <ul>
            {texts.reasons.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

/** The event itself. */
const Arrived = ({ event }: { readonly event: LiveEvent }) => {
  const { clock, typeName, valueName } = useWording()
  const { country, source, device } = event.dimensions ?? {}
  const origin = [
    ...(source === undefined ? [] : [valueName("source", source)]),
    ...(device === undefined ? [] : [valueName("device", device)]),
    ...(country === undefined ? [] : [valueName("country", country)]),
  ]
  return (
    <p class="event" translate={false} data-event={event.type}>
      <time dateTime={event.timestamp}>{clock(event.timestamp)}</time> <b>{typeName(event.type)}</b>{" "}
      <bdi title={event.page_url ?? ""}>{shortPage(event.page_url)}</bdi>
      {origin.length > 0 && <span class="hint"> · {origin.join(" · ")}</span>}
    </p>
  )
}

interface RefusedProps extends ArrivingProps {
  readonly refusal: Refusal
  /** One for all that are refused: a host is added to those that the site has once the one before is. */
  readonly action: Action
}

/** What was refused, why, and what helps, where that can be done here. */
const Refused = ({
  site,
  onChange,
  action,
  refusal: { site: named, code, host, events, timestamp },
}: RefusedProps) => {
  const { t, clock, number } = useWording()
  const texts = t.settings.ofSites
  const known = texts.why.get(code)
  const allow = code === "HOST_NOT_ALLOWED" && host !== null
  return (
    <li data-refused={code}>
      <p>
        <time dateTime={timestamp}>{clock(timestamp)}</time>{" "}
        {known?.({ host: host ?? texts.unknownHost, named, slug: site.slug }) ?? texts.refused(code)}
        {events > 1 && <span class="hint"> · {texts.times(number(events))}</span>}
      </p>
      {allow && (
        <button
          type="button"
          class="pill"
          disabled={action.busy}
          onClick={() =>
            action.run(async (signal) => {
              await addHost(site, host, signal)
              onChange()
            })
          }
        >
          {texts.addHost(host)}
        </button>
      )}
    </li>
  )
}
