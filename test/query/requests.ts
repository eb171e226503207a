/** Requests of senders at random: browsers and bots, visitors with a session or several, names that programs trip over. */
import { DAY_MS } from "../../src/domain/time.ts"
import { type Dice, dataAt, GAPS, ODD, PAGES, TYPES } from "./engine/questions.ts"

/** A `POST /events`. */
export interface Request {
  readonly headers: { readonly [name: string]: string }
  readonly events: ReadonlyArray<SentEvent>
}

export interface SentEvent {
  readonly site: string
  readonly id?: string
  readonly visitor_id: string
  /** Unix milliseconds. */
  readonly timestamp: number
  readonly [field: string]: unknown
}

const AGENTS = [
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
  "curl/8.5.0",
] as const

const REFERRERS = [
  "https://www.google.com/",
  "https://chatgpt.com/",
  "https://ünï.example/'a?b=c",
  "/own",
] as const

/** A name must have something to read. */
const NAMES = ODD.filter((name) => name.trim() !== "")

const headersAt = (dice: Dice): Request["headers"] => ({
  "user-agent": dice.of(AGENTS),
  "accept-language": dice.of(["fr-FR,fr;q=0.9", "en", ""]),
  "content-type": "application/json",
  ...(dice.chance(0.5) && { "cf-ipcountry": dice.of(["FR", "US", "XX"]) }),
  ...(dice.chance(0.05) && { "sec-purpose": "prefetch" }),
})

const pageAt = (dice: Dice): string => {
  const page = dice.of(PAGES)
  if (!dice.chance(0.3)) return page
  const value = encodeURIComponent(dice.of(ODD).toWellFormed())
  return `${page}${page.includes("?") ? "&" : "?"}${dice.of(["utm_source", "ref", "utm_campaign"])}=${value}`
}

const bodyAt = (dice: Dice) => ({
  ...(dice.chance(0.2) ? { name: dice.of(NAMES) } : { event_type: dice.of(TYPES) }),
  ...(dice.chance(0.9) && { page_url: pageAt(dice) }),
  ...(dice.chance(0.4) && { referrer: dice.of(REFERRERS) }),
  ...(dice.chance(0.3) && { title: dice.of(["Home", ...ODD]) }),
  ...(dice.chance(0.3) && { screen: dice.of([390, 1280, 2560]) }),
  event_data: dataAt(dice),
})

/** Visitors as many as a few, so that the same ones come back. */
const visitorAt = (dice: Dice): string =>
  `00000000-0000-4000-8000-${String(dice.below(60)).padStart(12, "0")}`

/** Sessions within the last days until an instant, each a request; some visitors read both sites. */
export const randomRequests = (
  dice: Dice,
  count: number,
  until: number,
  days: number,
): ReadonlyArray<Request> =>
  Array.from({ length: count }, () => {
    const [visitor_id, site] = [visitorAt(dice), dice.chance(0.7) ? "main" : "blog"]
    const events: Array<SentEvent> = []
    let at = until - dice.below(days * DAY_MS)
    for (let n = 1 + dice.below(8); n > 0 && at <= until; n--) {
      events.push({
        ...bodyAt(dice),
        ...{ visitor_id, timestamp: at, site: dice.chance(0.95) ? site : "blog" },
        ...(dice.chance(0.5) && { id: dice.uuid() }),
      })
      at += dice.of(GAPS)
    }
    return { headers: headersAt(dice), events }
  })
