/** Texts and formats of the page in one language. */
import { MINUTE_MS } from "../../domain/time.ts"
import { LANGUAGES, type Language, TEXTS, type Texts } from "../texts/index.ts"
import { shownName } from "./names.ts"
import type { Interval } from "./view.ts"

export { LANGUAGES, type Language, type Texts }

/** Texts and formats of one language. */
export interface Wording {
  readonly language: Language
  readonly t: Texts
  readonly number: (value: number) => string
  /** `0.5` as `50.0%`. */
  readonly percent: (share: number) => string
  /** A change as `+12 %`. */
  readonly change: (share: number) => string
  /** A change of a percentage by points, as `+1.5`. */
  readonly points: (by: number) => string
  /** `14:32:05`. */
  readonly clock: (instant: number | string) => string
  /** `14:32`. */
  readonly shortClock: (instant: number) => string
  /** The time of day, after the date unless that is today. */
  readonly moment: (instant: string) => string
  /** A calendar day, `2025-12-08`, as `Mon 8`. */
  readonly day: (date: string) => string
  /** Its weekday: `Mon`. */
  readonly weekday: (date: string) => string
  readonly typeName: (type: string) => string
  /** The figure of a metric, in its unit. */
  readonly measure: (metric: string, value: number | null) => string
  /** The same, as short as an axis wants it. */
  readonly short: (metric: string, value: number) => string
  /** The beginning of an interval of a course, as answers name it. */
  readonly intervalName: (interval: Interval, name: string) => string
  /** The same, as short as an axis wants it. */
  readonly tick: (interval: Interval, name: string) => string
  /** A date, with its year where that is not this one. */
  readonly date: (date: string) => string
  /** The same, of an instant. */
  readonly dateOf: (instant: string) => string
  readonly metricName: (metric: string) => string
  readonly dimensionName: (dimension: string) => string
  /** A value of a dimension, as people name it. */
  readonly valueName: (dimension: string, value: string | null) => string
}

/** What is told of another time zone than the browser's: the time of a wall clock, as if it were UTC. */
const wall = (name: string): Date =>
  new Date(name.length === 10 ? `${name}T00:00:00Z` : `${name.slice(0, 19)}Z`)

/** Two letters that may name a country. */
const COUNTRY = /^[A-Z]{2}$/
const LANGUAGE = /^[a-z]{2,3}$/

/** What is made when it is first used: a format takes milliseconds to make, and a page that opens uses few of them. */
const lazily = <A>(make: () => A): (() => A) => {
  let made: A | undefined
  return () => (made ??= make())
}

/** Figures of metrics, in their units. */
const measures = (locale: string) => {
  const whole = lazily(() => new Intl.NumberFormat(locale, { maximumFractionDigits: 0 }))
  const part = lazily(() => new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }))
  const rate = lazily(
    () => new Intl.NumberFormat(locale, { maximumFractionDigits: 2, minimumFractionDigits: 2 }),
  )
  const compact = lazily(
    () => new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }),
  )
  const percent = lazily(() => new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 }))
  const unit = (name: string) =>
    lazily(
      () =>
        new Intl.NumberFormat(locale, {
          style: "unit",
          unit: name,
          unitDisplay: "narrow",
          maximumFractionDigits: 0,
        }),
    )
  const [hours, minutes, seconds] = [unit("hour"), unit("minute"), unit("second")]
  const duration = (value: number): string => {
    const all = Math.round(value)
    const [h, m, s] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60]
    if (h > 0) return `${hours().format(h)} ${minutes().format(m)}`
    return m > 0 ? `${minutes().format(m)} ${seconds().format(s)}` : seconds().format(s)
  }
  const measure = (metric: string, value: number | null): string => {
    if (value === null) return "–"
    if (metric === "bounce_rate" || metric === "percentage") return percent().format(value / 100)
    if (metric === "visit_duration") return duration(value)
    return metric === "views_per_visit" ? rate().format(value) : part().format(value)
  }
  const short = (metric: string, value: number): string => {
    if (metric === "bounce_rate" || metric === "visit_duration") return measure(metric, value)
    return value < 10_000 ? (Number.isInteger(value) ? whole : part)().format(value) : compact().format(value)
  }
  return { measure, short }
}

/** The date of an instant where the reader is. */
const localDate = (at: Date): string =>
  new Date(at.getTime() - at.getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 10)

/** Beginnings of intervals. */
const moments = (locale: string) => {
  const utc = (options: Intl.DateTimeFormatOptions) => {
    const format = lazily(() => new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" }))
    return (name: string) => format().format(wall(name))
  }
  const time = utc({ hour: "2-digit", minute: "2-digit" })
  const day = utc({ weekday: "short", day: "numeric", month: "short" })
  const short = utc({ day: "numeric", month: "short" })
  const long = utc({ day: "numeric", month: "short", year: "numeric" })
  const month = utc({ month: "long", year: "numeric" })
  const shortMonth = utc({ month: "short" })
  const date = (text: string) => (text.startsWith(String(new Date().getFullYear())) ? short : long)(text)
  return {
    date,
    dateOf: (instant: string) => date(localDate(new Date(instant))),
    intervalName: (interval: Interval, name: string): string =>
      interval === "month" ? month(name) : interval === "hour" ? `${day(name)}, ${time(name)}` : day(name),
    tick: (interval: Interval, name: string): string => {
      if (interval === "month") return name.slice(5, 7) === "01" ? name.slice(0, 4) : shortMonth(name)
      return interval === "hour" && name.slice(11, 16) !== "00:00" ? time(name) : short(name)
    },
  }
}

/** Values of dimensions, as people name them. */
const valueNames = (locale: string, t: Texts) => {
  const regions = lazily(() => new Intl.DisplayNames(locale, { type: "region" }))
  const languages = lazily(() => new Intl.DisplayNames(locale, { type: "language" }))
  return (dimension: string, value: string | null): string => {
    if (value === null) return t.noneOf.get(dimension) ?? t.none
    if (dimension === "country" && COUNTRY.test(value)) return regions().of(value) ?? value
    if (dimension === "language" && LANGUAGE.test(value)) return languages().of(value) ?? value
    if (dimension === "device") return t.devices.get(value) ?? shownName(value)
    if (dimension === "event") return t.types.get(value) ?? shownName(value)
    return shownName(value)
  }
}

/** @param timeZone of clocks; the browser's by default */
export const wordingOf = (language: Language, timeZone?: string): Wording => {
  const locale = TEXTS[language].locale
  const number = lazily(() => new Intl.NumberFormat(locale))
  const percent = lazily(
    () =>
      new Intl.NumberFormat(locale, {
        style: "percent",
        minimumFractionDigits: 1,
        maximumFractionDigits: 1,
      }),
  )
  const change = lazily(
    () =>
      new Intl.NumberFormat(locale, {
        style: "percent",
        maximumFractionDigits: 0,
        signDisplay: "exceptZero",
      }),
  )
  const points = lazily(
    () => new Intl.NumberFormat(locale, { maximumFractionDigits: 1, signDisplay: "exceptZero" }),
  )
  const local = (options: Intl.DateTimeFormatOptions) =>
    lazily(() => new Intl.DateTimeFormat(locale, { ...options, ...(timeZone !== undefined && { timeZone }) }))
  const clock = local({ hour: "2-digit", minute: "2-digit", second: "2-digit" })
  const shortClock = local({ hour: "2-digit", minute: "2-digit" })
  const date = local({ day: "numeric", month: "short" })
  const whole = local({ dateStyle: "short" })
  const day = lazily(
    () => new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", timeZone: "UTC" }),
  )
  const weekday = lazily(() => new Intl.DateTimeFormat(locale, { weekday: "short", timeZone: "UTC" }))
  const t = TEXTS[language]
  const metricNames: ReadonlyMap<string, string> = new Map(Object.entries(t.front.metrics))
  return {
    language,
    t,
    number: (value) => number().format(value),
    percent: (share) => percent().format(share),
    // A minus sign is as wide as a plus; a hyphen is not.
    change: (share) => change().format(share).replace("-", "−"),
    points: (by) => `${points().format(by).replace("-", "−")} ${t.front.points}`,
    clock: (instant) => clock().format(new Date(instant)),
    shortClock: (instant) => shortClock().format(instant),
    moment: (instant) => {
      const at = new Date(instant)
      const today = whole().format(new Date()) === whole().format(at)
      return today ? clock().format(at) : `${date().format(at)} ${shortClock().format(at)}`
    },
    day: (text) => day().format(new Date(`${text}T00:00:00Z`)),
    weekday: (text) => weekday().format(new Date(`${text}T00:00:00Z`)),
    typeName: (type) => t.types.get(type) ?? shownName(type),
    ...measures(locale),
    ...moments(locale),
    metricName: (metric) => metricNames.get(metric) ?? metric,
    // A property is called as its sender calls it.
    dimensionName: (dimension) => t.dimension.get(dimension) ?? shownName(dimension.replace(/^data\./, "")),
    valueName: valueNames(locale, t),
  }
}
