/** Events and questions at random: odd names, several zones, bots, visitors with and without visits that end at midnight. */
import { DIMENSIONS, type EventFacts, encodeFact } from "../../../src/domain/dimensions.ts"
import type { StreamEvent } from "../../../src/domain/event.ts"
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts"
import { METRICS } from "../../../src/query/language/index.ts"
import { Random } from "../../../src/tools/traffic/random.ts"

/** Draws that are the same for the same seed. */
export class Dice extends Random {
  below(n: number): number {
    return Math.floor(this.next() * n)
  }

  of<const A>(list: ReadonlyArray<A>): A {
    const drawn = list[this.below(list.length)]
    if (drawn === undefined) throw new Error("there is nothing to draw from")
    return drawn
  }
}

/** Texts that programs trip over. */
export const ODD = [
  ...["it's", '"', "\\", "$1", "%s", "'); DROP TABLE events; --", "null", "undefined", "NaN", "0", " "],
  ...[
    "__proto__",
    "constructor",
    "toString",
    "é",
    "e\u0301",
    "日本語",
    "🎈",
    "👩‍👩‍👧",
    "\u202eabc",
    "\ufeff",
    "\uffff",
  ],
  ...[
    "\t",
    "a\nb",
    "\u0001",
    "\u007f",
    "\u2028",
    "İstanbul",
    "ΟΔΟΣ",
    "straße",
    "x".repeat(110),
    "🎈".repeat(50),
  ],
  ...["[]", "{}", "a,b", "*", "data.plan", "$.x", "a/b", "a~b", "~1", "#", "%00", "%2F", "&amp;", "<b>"],
] as const

export const PAGES = [
  ...[
    "/",
    "/cv",
    "/cv?theme=dark",
    "/été",
    "/it's",
    '/a"b',
    "/%2F",
    "https://site.example/cv?utm_source=x&b=1",
  ],
  ...[
    "https://Other.example:443/deep/page#part",
    "/'; DROP TABLE events; --",
    "/null",
    "/a,b\\c",
    "//x",
    "?",
  ],
  ...[
    "/🎈",
    "/__proto__",
    "/a?q=%F0%9F",
    `/${"long/".repeat(90)}`,
    "javascript:alert(1)",
    "https://ünï.example",
  ],
] as const
const SOURCES = ["Google", "GitHub", "ChatGPT", "", "ünïcode 🎈", "google", ...ODD] as const
const COUNTRIES = ["FR", "DE", "US"] as const
const PLANS = [
  ...["free", "pro", true, false, 1, 2.5, -3, null, -0, 1e20, 1e21, 123456700000000000000, 1e-6, 1e-7, 0.1],
  ...[5e-324, 1.7976931348623157e308, 9007199254740991, -9007199254740991, "1e3", "Infinity", ...ODD],
] as const
const KEYS = [
  ...["plan", "a/b", "a~b", "$.x", "__proto", "é", 'q"uote', "price", "constructor", "a.b", "[0]", "0", "🎈"],
  ...["~1", " ", "*", "toString"],
] as const
export const TYPES = [
  ...["page_view", "page_view", "page_view", "letter_generate", "button_click", "engagement", "signup"],
] as const

const uuid = (dice: Dice): string => {
  const hex = () =>
    dice
      .below(2 ** 32)
      .toString(16)
      .padStart(8, "0")
  const [a, b, c, d] = [hex(), hex(), hex(), hex()]
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(1, 4)}-${c.slice(4)}${d}`
}

const factsAt = (dice: Dice): EventFacts => {
  const bot = dice.chance(0.1)
  return {
    origin: dice.chance(0.7)
      ? encodeFact("origin", {
          source: dice.of(SOURCES),
          medium: dice.of(["organic", "email", null]),
          channel: dice.of(["Direct", "AI Assistants", null]),
          utm_campaign: dice.of(["spring", null]),
        })
      : null,
    client: dice.chance(0.8)
      ? encodeFact("client", {
          browser: dice.of(["Chrome", "Firefox", null]),
          browser_version: dice.of(["120", "121"]),
          device: dice.of(["desktop", "mobile"]),
          country: dice.of(COUNTRIES),
          bot: bot ? "crawler" : null,
        })
      : null,
    label: dice.chance(0.3)
      ? encodeFact("label", {
          title: dice.of(["Home", null, ...ODD]),
          name: dice.of(["Sign Up", null, ...ODD]),
        })
      : null,
    bot,
  }
}

/** An event's data, if any. */
export const dataAt = (dice: Dice): StreamEvent["data"] => {
  if (dice.chance(0.4)) return null
  const data: { [key: string]: unknown } = {}
  for (const key of KEYS) if (dice.chance(0.3)) data[key] = dice.of(PLANS)
  data.price = dice.chance(0.5) ? dice.below(1000) / 4 : dice.of(["12", null])
  if (dice.chance(0.1)) data.nested = { plan: "pro" }
  return data
}

/** Between two events of a visitor, milliseconds: on both sides of half an hour, none, and that itself. */
export const GAPS = [
  ...[0, 1, 20_000, 5 * MINUTE_MS],
  ...[30 * MINUTE_MS - 1, 30 * MINUTE_MS, 31 * MINUTE_MS, HOUR_MS],
] as const

/** Events of some days, in sessions, at the times of `until` and before. */
export const randomEvents = (
  dice: Dice,
  count: number,
  until: number,
  days: number,
): ReadonlyArray<StreamEvent> => {
  const visitors = Array.from({ length: Math.ceil(count / 8) }, () => uuid(dice))
  const events: Array<StreamEvent> = []
  while (events.length < count) {
    let at = until - dice.below(days * DAY_MS)
    const visitorId = visitors[dice.below(visitors.length)] ?? ""
    const facts = factsAt(dice)
    for (let n = 1 + dice.below(6); n > 0 && at < until; n--) {
      events.push({
        site: dice.chance(0.8) ? "main" : "blog",
        ...{ id: null, visitorId, createdAt: at, type: dice.of(TYPES) },
        pageUrl: dice.chance(0.1) ? null : dice.of(PAGES),
        referrer: null,
        data: dataAt(dice),
        facts: dice.chance(0.8) ? facts : factsAt(dice),
      })
      at += dice.of(GAPS)
    }
  }
  return events
}

const DIMENSION_NAMES = Object.keys(DIMENSIONS)

const dimensionAt = (dice: Dice): string =>
  dice.chance(0.15)
    ? `data.${dice.of(KEYS)}`
    : (DIMENSION_NAMES[dice.below(DIMENSION_NAMES.length)] ?? "page")

const VALUES = [
  ...PAGES.map((page) => page),
  ...SOURCES,
  ...[
    "FR",
    "0.1",
    "1e+21",
    "1e-7",
    "123456700000000000000",
    "pro",
    "true",
    "1",
    "2.5",
    "Chrome",
    "chrome",
    "signup",
    "Sign Up",
    "Home",
    "crawler",
    "120",
  ],
] as const

const filterAt = (dice: Dice, depth: number): ReadonlyArray<unknown> => {
  if (depth > 0 && dice.chance(0.3)) {
    if (dice.chance(0.4)) return ["not", filterAt(dice, depth - 1)]
    if (dice.chance(0.4)) return [dice.of(["has_done", "has_not_done"]), filterAt(dice, depth - 1)]
    return [dice.of(["and", "or"]), Array.from({ length: dice.below(3) }, () => filterAt(dice, depth - 1))]
  }
  const operator = dice.of(["is", "is_not", "contains", "contains_not", "matches", "matches_not"])
  const values: Array<string | null> = operator.startsWith("matches")
    ? [dice.of(["^/c", "e$", "[gG]o+gle", "^$", "a.b", "1"])]
    : Array.from({ length: 1 + dice.below(3) }, () => dice.of(VALUES))
  if (operator.startsWith("is") && dice.chance(0.3)) values.push(null)
  return [operator, dimensionAt(dice), values, ...(dice.chance(0.3) ? [{ case_sensitive: false }] : [])]
}

const METRIC_NAMES = [
  ...Object.keys(METRICS),
  ...["sum", "avg", "min", "max"].map((of) => `${of}(data.price)`),
]

const some = <A>(dice: Dice, list: ReadonlyArray<A>, most: number): Array<A> =>
  Array.from({ length: 1 + dice.below(most) }, () => list[dice.below(list.length)]).filter(
    (each): each is A => each !== undefined,
  )

/** Some with clocks that are changed at midnight, by half an hour, or in the southern summer. */
export const ZONES = [
  ...["UTC", "Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"],
  ...["Pacific/Auckland", "Africa/Cairo", "America/Havana", "Asia/Beirut", "Pacific/Apia"],
] as const

const rangeAt = (dice: Dice, now: number): unknown => {
  if (dice.chance(0.6))
    return dice.of(["realtime", "day", "yesterday", "24h", "7d", "28d", "month", "last_month", "all", "12mo"])
  const from = now - dice.below(12 * DAY_MS)
  const until = from + 1 + dice.below(4 * DAY_MS)
  const text = (at: number) => new Date(at).toISOString()
  return dice.chance(0.5) ? [text(from), text(until)] : [text(from).slice(0, 10), text(until).slice(0, 10)]
}

/** Which rows, and in what order. */
const pageAt = (dice: Dice, metrics: ReadonlyArray<string>, dimensions: ReadonlyArray<string>) => ({
  ...(dice.chance(0.3) && {
    order_by: some(dice, [...new Set([...metrics, ...dimensions])], 2).map((name) => [
      name,
      dice.of(["asc", "desc"]),
    ]),
  }),
  ...(dice.chance(0.3)
    ? { limit: 1 + dice.below(5), ...(dice.chance(0.5) && { offset: dice.below(5) }) }
    : { limit: 10_000 }),
})

/** The body of a question. */
export const randomQuestion = (dice: Dice, now: number): { readonly [field: string]: unknown } => {
  const range = rangeAt(dice, now)
  const dimensions = [
    ...new Set(dice.chance(0.7) ? some(dice, [dimensionAt(dice), dimensionAt(dice)], 2) : []),
  ]
  const intervals =
    range === "12mo" || range === "28d" ? (["day", "week", "month"] as const) : (["hour", "day"] as const)
  if (dimensions.length < 2 && dice.chance(0.3)) dimensions.unshift(`time:${dice.of([...intervals])}`)
  const metrics = [...new Set(some(dice, METRIC_NAMES, 4))]
  return {
    sites: dice.of([["main"], ["blog"], ["main", "blog"]]),
    metrics,
    dimensions,
    filters: dice.chance(0.6) ? some(dice, [filterAt(dice, 2), filterAt(dice, 2)], 2) : [],
    date_range: range,
    time_zone: dice.of(ZONES),
    ...(dice.chance(0.3) && { compare: dice.of(["previous_period", "previous_year"]) }),
    bots: dice.of(["exclude", "exclude", "include", "only"]),
    ...pageAt(dice, metrics, dimensions),
  }
}

const STEPS = [
  ...PAGES.slice(0, 3).map((page) => ["is", "page", [page]]),
  ["contains", "page", ["/"]],
  ["is", "event", ["page_view"]],
  ["is_not", "event", ["page_view"]],
  ["has_done", ["is", "event", ["letter_generate"]]],
  ["is", "data.plan", ["pro", "free"]],
] as const

/** The body of a funnel. */
export const randomFunnel = (dice: Dice, now: number): { readonly [field: string]: unknown } => ({
  sites: dice.of([["main"], ["main", "blog"]]),
  steps: Array.from({ length: 2 + dice.below(3) }, () => dice.of(STEPS)),
  within: dice.of(["visit", "1 minute", "5 minutes", "1 hour", "3 days", null]),
  filters: dice.chance(0.3) ? [filterAt(dice, 1)] : [],
  date_range: rangeAt(dice, now),
  time_zone: dice.of(ZONES),
  bots: dice.of(["exclude", "include"]),
})
