/** Events that the API's figures are told from, and a plain count of these figures: written to be read, with nothing of the engine in it. */
import { encodeFact } from "../../../src/domain/dimensions.ts"
import type { StreamEvent } from "../../../src/domain/event.ts"
import { HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts"
import type { Query } from "../../../src/query/language/index.ts"
import type { Dice } from "./questions.ts"
import { metEvents, type ReferenceEvent } from "./reference.ts"

/** Themes, some of them none, and names that are the same once they are cut. */
const THEMES = [
  ...["dark", "light", "Dark", "", " ", "é", "\ufeffdark", "null", 5, true, null],
  ...["x".repeat(100), `${"x".repeat(100)}y`, `${"x".repeat(99)}🎈`, `${"x".repeat(99)}🎉`],
] as const
const LETTERS = ["motivation", "motivation", "anti_motivation", "Motivation", "", 1, null] as const
const PLACES = [0, -0, 10, 10.5, -3.25, 99.999, 1e6, 0.1, "10", null] as const

const figureData = (dice: Dice, type: string): StreamEvent["data"] => {
  if (dice.chance(0.1)) return null
  if (type === "cv_theme_change") return { theme: dice.of(THEMES) }
  if (type === "letter_generate") return { letter_type: dice.of(LETTERS) }
  return { x: dice.of(PLACES), y: dice.of(PLACES), theme: "dark" }
}

/** Events of a few visitors in the hours before an instant. */
export const figureEvents = (
  dice: Dice,
  count: number,
  until: number,
  hours: number,
): ReadonlyArray<StreamEvent> =>
  Array.from({ length: count }, () => {
    const type = dice.of(["cv_theme_change", "letter_generate", "button_click", "link_click", "signup"])
    const bot = dice.chance(0.1)
    return {
      ...{ site: dice.chance(0.8) ? "main" : "blog", id: null, type, referrer: null },
      visitorId: `00000000-0000-4000-8000-00000000000${dice.below(8)}`,
      createdAt: until - dice.below(hours * HOUR_MS),
      pageUrl: dice.of(["/cv", "/", "https://site.example/cv?utm_source=x", null]),
      data: figureData(dice, type),
      facts: {
        ...{ label: dice.chance(0.2) ? encodeFact("label", { name: "Named" }) : null, client: null, bot },
        origin: encodeFact("origin", { source: dice.of(["Google", "GitHub", null]) }),
      },
    }
  })

/** The body of what figures are of. */
export const figureBody = (dice: Dice, now: number): { readonly [field: string]: unknown } => ({
  site: dice.of(["main", "blog"]),
  date_range: dice.of([
    ...["day", "yesterday", "24h", "7d"],
    [new Date(now - 30 * HOUR_MS), new Date(now - HOUR_MS / 3)].map((at) => at.toISOString()),
  ]),
  time_zone: dice.of(["UTC", "Europe/Paris", "Asia/Kathmandu", "Pacific/Apia"]),
  filters: dice.of([
    [],
    [["is", "source", ["Google"]]],
    [["is_not", "page", ["/"]]],
    [["has_done", ["is", "event", ["letter_generate"]]]],
  ]),
})

const dataOf = ({ data }: ReferenceEvent): { readonly [key: string]: unknown } =>
  data === null ? {} : JSON.parse(data)

const themeOf = (event: ReferenceEvent): ReadonlyArray<string> => {
  const { theme } = dataOf(event)
  if (event.type !== "cv_theme_change" || typeof theme !== "string" || theme === "") return []
  const hundred = theme.slice(0, 100)
  return [hundred.isWellFormed() ? hundred : hundred.slice(0, -1)]
}

/** Each value with how often it is there, the most frequent first; those of a tie as `before` says. */
const frequent = <A>(
  values: ReadonlyArray<A>,
  before: (a: A, b: A) => number,
): ReadonlyArray<[A, number]> => {
  const counts = new Map<string, [A, number]>()
  for (const value of values) {
    const known = counts.get(JSON.stringify(value))
    if (known === undefined) counts.set(JSON.stringify(value), [value, 1])
    else known[1]++
  }
  return [...counts.values()].sort(([a, n], [b, m]) => m - n || before(a, b))
}

export const plainThemes = (query: Query, events: ReadonlyArray<ReferenceEvent>, timeZone: string) => {
  const themes = metEvents(query, events, timeZone).flatMap(themeOf)
  return frequent(themes, (a, b) => (a < b ? -1 : 1)).map(([theme, views]) => ({
    ...{ theme, views },
    percentage: Math.round((10_000 * views) / themes.length) / 100,
  }))
}

export const plainLetters = (query: Query, events: ReadonlyArray<ReferenceEvent>, timeZone: string) => {
  const met = metEvents(query, events, timeZone)
  const letters = met.filter(({ type }) => type === "letter_generate")
  const ofType = (type: string) => letters.filter((each) => dataOf(each).letter_type === type).length
  const visitors = new Set(met.map(({ visitorId }) => visitorId)).size
  return {
    ...{
      total: letters.length,
      motivation: ofType("motivation"),
      anti_motivation: ofType("anti_motivation"),
    },
    ...{ unique_visitors: visitors, conversion_rate: visitors === 0 ? 0 : letters.length / visitors },
    history: query.buckets.map(({ name, from, until }) => ({
      date: name,
      count: letters.filter(({ createdAt }) => createdAt >= from && createdAt < until).length,
    })),
  }
}

export const plainClicks = (
  query: Query,
  grid: number | null,
  events: ReadonlyArray<ReferenceEvent>,
  timeZone: string,
) => {
  const places = metEvents(query, events, timeZone).flatMap((event) => {
    const { x, y } = dataOf(event)
    if (!["button_click", "link_click"].includes(event.type)) return []
    if (typeof x !== "number" || typeof y !== "number") return []
    return [[x, y].map((at) => (grid === null ? at : Math.floor(at / grid) * grid) + 0)]
  })
  const before = ([x = 0, y = 0]: Array<number>, [x2 = 0, y2 = 0]: Array<number>) => x - x2 || y - y2
  return frequent(places, before).map(([[x, y], count]) => ({ x, y, count }))
}

export const plainHistory = (query: Query, events: ReadonlyArray<ReferenceEvent>, timeZone: string) => {
  const minute = (at: number) => Math.floor(at / MINUTE_MS)
  const first = minute(query.range.from)
  const range = { from: (first - 4) * MINUTE_MS, until: query.range.until }
  const byMinute = Map.groupBy(metEvents({ ...query, range }, events, timeZone), ({ createdAt }) =>
    minute(createdAt),
  )
  const seenIn = (at: number) => (byMinute.get(at) ?? []).map(({ visitorId }) => visitorId)
  return query.buckets.map((_, i) => ({
    time: new Date((first + i) * MINUTE_MS).toISOString(),
    events: seenIn(first + i).length,
    visitors: new Set([0, 1, 2, 3, 4].flatMap((before) => seenIn(first + i - before))).size,
  }))
}
