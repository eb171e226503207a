import { useState } from "preact/hooks"
import { addressOf, overPage } from "../model/clicks.ts"
import { isSiteHosts, isTicketAnswer } from "../model/decode.ts"
import { aboutView, topQuestion } from "../model/questions.ts"
import { post, read } from "../model/read.ts"
import type { Loaded } from "../model/state.ts"
import { useAnswer } from "../panels/answers.ts"
import { Dialogue } from "../panels/dialogue.tsx"
import { useLoaded } from "../panels/loaded.ts"
import { PartView, useWording } from "../panels/parts.tsx"
import { useFront } from "./context.ts"

/** Hosts of a page that are offered. */
const HOSTS = 20

/** The box that leads to the clicks over a page, of the page that the address names. */
export const Clicks = () => {
  const { view } = useFront()
  return view.clicks === null ? null : <ClicksBox key={view.clicks} page={view.clicks} />
}

const ClicksBox = ({ page }: { readonly page: string }) => {
  const { site, view, show } = useFront()
  const { t } = useWording()
  const { part, again } = useAnswer(
    topQuestion(site, view, ["host"], {
      ...{ metrics: ["events"], limit: HOSTS },
      only: [{ operator: "is", dimension: "page", values: [page] }],
    }),
  )
  const hosts = part.data?.results.map(({ dimensions: [host = null] }) => host)
  return (
    <Dialogue name="clicks" title={t.front.clicks.of(page)} onClose={() => show({ clicks: null })}>
      <p class="hint">{t.front.clicks.hint}</p>
      <PartView part={part} onAgain={again}>
        {() => <Way page={page} hosts={hosts ?? []} />}
      </PartView>
    </Dialogue>
  )
}

interface WayProps {
  readonly page: string
  /** Where the page has been seen, most events first; `null` where that is not known. */
  readonly hosts: ReadonlyArray<string | null>
}

/** Chooses the host, and leads to the page. */
const Way = ({ page, hosts }: WayProps) => {
  const { t } = useWording()
  const own = useSiteHosts()
  const [chosen, choose] = useState<string | null>(hosts[0] ?? null)
  const [typed, type] = useState<string | null>(null)
  const host = chosen ?? own[0] ?? null
  const address = typed ?? (host === null ? "" : addressOf(host, page))
  const [ticket, again] = useTicket(chosen === null ? page : addressOf(chosen, page))
  const to = ticket.data === null ? null : overPage(address, ticket.data)
  return (
    <div class="way">
      {hosts.length > 1 && (
        <label>
          {t.front.clicks.host}
          <select
            value={chosen ?? ""}
            onChange={(e) => {
              choose(e.currentTarget.value === "" ? null : e.currentTarget.value)
              type(null)
            }}
          >
            {hosts.map((each) => (
              <option key={each ?? ""} value={each ?? ""}>
                {each ?? t.front.clicks.noHost}
              </option>
            ))}
          </select>
        </label>
      )}
      <label>
        {t.front.clicks.address}
        <input
          type="url"
          value={address}
          placeholder={`https://example.org${page}`}
          spellcheck={false}
          onInput={(e) => type(e.currentTarget.value)}
        />
      </label>
      {ticket.failure !== null && (
        <PartView part={ticket} onAgain={again}>
          {() => null}
        </PartView>
      )}
      {to === null && ticket.data !== null && <p class="hint">{t.front.clicks.invalid}</p>}
      {to !== null && (
        <a class="primary" href={to} target="_blank" rel="noopener noreferrer">
          {t.front.clicks.open}
        </a>
      )}
    </div>
  )
}

/** Hosts of the sites that the page is about, as their settings have them; none where they cannot be read: the address is typed. */
const useSiteHosts = (): ReadonlyArray<string> => {
  const { slugs } = useFront()
  const [sites] = useLoaded("", async (signal) => (await read("sites", {}, isSiteHosts, signal)).data.details)
  return (sites.data ?? []).filter(({ slug }) => slugs.includes(slug)).flatMap(({ hosts }) => hosts)
}

/** A ticket for the clicks on a page in the view's time and with its filters, and what asks for it again. */
const useTicket = (pageUrl: string): readonly [ticket: Loaded<string>, again: () => void] => {
  const { site, view } = useFront()
  const body = { ...aboutView(site, view), page_url: pageUrl }
  return useLoaded(
    JSON.stringify(body),
    async (signal) => (await post("heatmap/tickets", body, isTicketAnswer, signal)).data.ticket,
  )
}
