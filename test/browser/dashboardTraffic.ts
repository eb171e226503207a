/** Visits of two days as a site would send them, the same ones each time but for the clock. */
import { DAY_MS, MINUTE_MS } from "../../src/domain/time.ts"
import { Random } from "../../src/tools/traffic/random.ts"

const DAY_MIN = DAY_MS / MINUTE_MS
const PAGES = ["/", "/cv", "/cv?theme=cyberpunk", "/letters", "/projects", "/contact"]
const THEMES = ["cyberpunk", "minimal", "corporate", "terminal", "paper", "retro"]
/** Places that visitors like to click on, percent of the page. */
const SPOTS = [
  [50, 18, 4],
  [22, 46, 7],
  [78, 46, 6],
  [50, 72, 3],
  [86, 7, 2],
] as const

const uuid = (random: () => number): string => {
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join("")
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`
}

const pick = <A>(random: () => number, list: ReadonlyArray<A>): A => {
  const found = list[Math.floor(random() ** 1.6 * list.length)]
  if (found === undefined) throw new Error("nothing to pick from")
  return found
}

/** One of the events of a visit. */
export const someEvent = (random: () => number): { event_type: string; event_data?: object } => {
  const dice = random()
  if (dice < 0.46) return { event_type: "page_view" }
  if (dice < 0.6) return { event_type: "cv_theme_change", event_data: { theme: pick(random, THEMES) } }
  if (dice < 0.66)
    return {
      event_type: "letter_generate",
      event_data: { letter_type: random() < 0.68 ? "motivation" : "anti_motivation" },
    }
  if (dice < 0.7) return { event_type: "pdf_download", event_data: { file: "cv.pdf" } }
  if (dice < 0.97) {
    const [x, y, spread] = pick(random, SPOTS)
    const near = (at: number, by: number) =>
      Math.round(Math.min(100, Math.max(0, at + (random() + random() + random() - 1.5) * by)))
    return {
      event_type: random() < 0.6 ? "button_click" : "link_click",
      event_data: { x: near(x, spread * 2), y: near(y, spread * 1.4) },
    }
  }
  return { event_type: "form_submit", event_data: { form: "contact" } }
}

/** Events from the evening of the day before yesterday to `now`, some `perMinute` at the busiest hour. */
export const twoDaysOfVisits = (now: number, perMinute: number): ReadonlyArray<object> => {
  const source = new Random(7)
  const random = () => source.next()
  const events: Array<object> = []
  for (let minute = 0; minute < 2 * DAY_MIN; minute++) {
    const at = now - minute * MINUTE_MS
    const hour = (at / (60 * MINUTE_MS)) % 24
    const busy = 0.25 + 0.75 * Math.exp(-(((hour - 14) / 6) ** 2))
    // A little more today than yesterday, and waves within the hour.
    const growth = minute < DAY_MIN ? 1.18 : 1
    const wave = 0.65 + 0.35 * Math.sin(minute / 6) + (minute === 23 ? 1.1 : 0)
    // Rounded by chance: rounded to the nearest, few visits a minute would be none at quiet hours.
    let visits = Math.floor(perMinute * busy * growth * wave * (0.5 + random()) + random())
    for (; visits > 0; visits--) {
      const visitor_id = uuid(random)
      const length = 1 + Math.floor(random() * 5)
      for (let i = 0; i < length; i++) {
        const timestamp = at - Math.floor(random() * MINUTE_MS) + i * 9000
        if (timestamp >= now) continue
        events.push({
          ...someEvent(random),
          visitor_id,
          page_url: `https://cv.example${pick(random, PAGES)}`,
          timestamp,
        })
      }
    }
  }
  return events
}

const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
  "Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
]
const COUNTRIES = ["FR", "DE", "US", "GB", "CH", "BE", "CA", "NL", "ES", "JP", "BR"]
const REFERRERS = [
  ...["", "https://www.google.com/", "https://github.com/", "https://news.ycombinator.com/item"],
  ...["https://www.linkedin.com/feed", "https://chatgpt.com/", "https://duckduckgo.com/"],
]
const BLOG = ["/blog/streams", "/blog/exactly-once", "/blog/duckdb", "/about", "/talks"]

/** Visits of almost a week, by what each browser's request says of it. */
export const weekOfVisits = (
  now: number,
): ReadonlyArray<{
  readonly headers: { readonly [name: string]: string }
  readonly events: ReadonlyArray<object>
}> => {
  const source = new Random(3)
  const random = () => source.next()
  const groups = AGENTS.flatMap((agent) =>
    COUNTRIES.map((country) => ({
      headers: { "User-Agent": agent, "CF-IPCountry": country, "X-Forwarded-For": "203.0.113.7" },
      events: [] as Array<object>,
    })),
  )
  for (let hour = 0; hour < 6.9 * 24; hour++) {
    const clock = (now / 3_600_000 - hour) % 24
    const busy = 3 + 16 * Math.exp(-(((clock - 14) / 5) ** 2))
    for (let visit = 0; visit < busy * (0.7 + 0.6 * random()) * (1 - hour / 500); visit++) {
      const { events } = pick(random, groups)
      const visitor_id = uuid(random)
      const referrer = pick(random, REFERRERS)
      let at = now - 3_600_000 * (hour + random())
      for (let i = 0; i < 1 + Math.floor(random() ** 2 * 6) && at < now; i++) {
        const page_url = `https://cv.example${pick(random, [...PAGES, ...BLOG])}`
        const event = i === 0 ? { event_type: "page_view", referrer } : { ...someEvent(random), referrer: "" }
        events.push({ ...event, visitor_id, page_url, timestamp: Math.round(at) })
        at += 5000 + 90_000 * random()
      }
    }
  }
  return groups
}
