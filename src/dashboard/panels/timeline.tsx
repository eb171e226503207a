import { useContext } from "preact/hooks"
import type { TimelineEvent } from "../../domain/answers.ts"
import { detailOf, kindOf, shortPage } from "../model/events.ts"
import { visitorUrl } from "../model/place.ts"
import type { Loaded, Timeline } from "../model/state.ts"
import { AccessContext } from "./access.ts"
import { Panel, PartView, useWording } from "./parts.tsx"
import { useSiteName } from "./siteNames.ts"

export interface TimelinePanelProps {
  /** `null` for the default one. */
  readonly site: string | null
  readonly timeline: Loaded<Timeline>
  readonly newEvents: number
  readonly onAgain: () => void
  readonly onOlder: () => void
}

/** Stored events, page by page. */
export const TimelinePanel = ({ site, timeline, newEvents, onAgain, onOlder }: TimelinePanelProps) => {
  const { t, number } = useWording()
  return (
    <Panel
      name="timeline"
      title={t.timeline}
      hint={t.timelineHint}
      aside={
        newEvents > 0 && timeline.data !== null ? (
          <button type="button" class="quiet" onClick={onAgain}>
            {t.newer(newEvents, number(newEvents))}
          </button>
        ) : undefined
      }
    >
      <PartView part={timeline} onAgain={onAgain} size="tall">
        {({ rows, next }) =>
          rows.length === 0 ? (
            <p class="empty">{t.timelineEmpty}</p>
          ) : (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable
            <section class="scroller" tabIndex={0} aria-label={t.timelineHint}>
              <table>
                <thead>
                  <tr>
                    <th scope="col">{t.time}</th>
                    <th scope="col">{t.event}</th>
                    <th scope="col">{t.detail}</th>
                    <th scope="col">{t.page}</th>
                    <th scope="col">{t.visitor}</th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row) => (
                    <Row key={row.id} row={row} site={row.site ?? site} />
                  ))}
                </tbody>
              </table>
              {next !== null && (
                <button type="button" class="quiet older" onClick={onOlder} disabled={timeline.loading}>
                  {t.older}
                </button>
              )}
            </section>
          )
        }
      </PartView>
    </Panel>
  )
}

const Row = ({ row, site }: { readonly row: TimelineEvent; readonly site: string | null }) => {
  const siteName = useSiteName()
  const { moment, typeName } = useWording()
  // To others they are pseudonyms.
  const mayErase = useContext(AccessContext).may.includes("admin")
  return (
    <tr class={kindOf(row.event_type)}>
      <td>
        <time dateTime={row.created_at}>{moment(row.created_at)}</time>
      </td>
      <td class="type" translate={false}>
        {typeName(row.event_type)}
      </td>
      <td translate={false}>{detailOf(row.event_data)}</td>
      <td translate={false} title={row.page_url ?? ""}>
        {row.site !== undefined && <bdi class="of-site">{siteName(row.site)}</bdi>}
        {shortPage(row.page_url)}
      </td>
      <td class="visitor" translate={false}>
        {mayErase ? (
          <a href={visitorUrl(site, row.visitor_id)}>{row.visitor_id.slice(0, 8)}</a>
        ) : (
          row.visitor_id.slice(0, 8)
        )}
      </td>
    </tr>
  )
}
