import { useState } from "preact/hooks"
import { detailOf, kindOf, shortPage } from "../model/events.ts"
import type { FeedEvent, State } from "../model/state.ts"
import { Country, Panel, useWording } from "./parts.tsx"
import { useSiteName } from "./siteNames.ts"

export interface FeedPanelProps {
  readonly state: State
  /** Whether they are of several sites, so that each says of which. */
  readonly several: boolean
}

/** Events as they are counted. */
export const FeedPanel = ({ state, several }: FeedPanelProps) => {
  const { t, number, clock, typeName } = useWording()
  const siteName = useSiteName()
  const [held, setHeld] = useState<ReadonlyArray<FeedEvent> | null>(null)
  const events = held ?? state.feed
  const since = held === null ? 0 : (state.feed[0]?.number ?? 0) - (held[0]?.number ?? 0)
  return (
    <Panel
      name="feed"
      title={t.feed}
      aside={
        <button
          type="button"
          class="quiet"
          aria-pressed={held !== null}
          onClick={() => setHeld(held === null ? state.feed : null)}
        >
          {held === null ? t.pause : t.resume}
        </button>
      }
    >
      {held !== null && (
        <p class="note" translate={false}>
          {t.paused(number(since))}
        </p>
      )}
      {held === null && state.omitted !== null && (
        <p class="note" translate={false} data-omitted={state.omitted.events}>
          {t.omitted(number(state.omitted.events))}
        </p>
      )}
      {events.length === 0 ? (
        <p class="empty tall">
          {/* Whether it is quiet is known when the server has been heard. */}
          {state.connection.is === "open" && state.timeline.data !== null ? t.feedEmpty : t.loading}
        </p>
      ) : (
        // Focusable, so that the keyboard can scroll it. No live region: a screen reader would never stop.
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable
        <ol class="events" tabIndex={0} aria-label={t.feed}>
          {events.map((event) => (
            <li key={event.number} class={kindOf(event.type)} data-event={event.type}>
              <time dateTime={event.timestamp}>{clock(event.timestamp)}</time>
              <span class="type" translate={false}>
                {typeName(event.type)}
              </span>
              <span class="detail" translate={false}>
                {detailOf(event.data)}
              </span>
              <span class="page" translate={false} title={event.page_url ?? ""}>
                {several && <bdi class="of-site">{siteName(event.site)}</bdi>}
                {shortPage(event.page_url)}
              </span>
              <Origin event={event} />
            </li>
          ))}
        </ol>
      )}
    </Panel>
  )
}

/** Where an event came from: country, source and device, as far as they are known. */
const Origin = ({ event }: { readonly event: FeedEvent }) => {
  const { valueName } = useWording()
  const { country, source, device } = event.dimensions ?? {}
  return (
    <span class="origin" translate={false}>
      {source !== undefined && <bdi>{valueName("source", source)}</bdi>}
      {device !== undefined && <span class="device">{valueName("device", device)}</span>}
      {country !== undefined && (
        <span title={valueName("country", country)}>
          <Country code={country} />
          <span class="unseen">{valueName("country", country)}</span>
        </span>
      )}
    </span>
  )
}
