/** Decodes what the server sends, as far as this page reads it: answers of the API, and frames of the WebSocket. */
import type {
  AccessReport,
  DayCourse,
  DeclaredSites,
  HeatmapPoint,
  HistoryMeta,
  Letters,
  MinuteOfHistory,
  Realtime,
  Site,
  Stats,
  ThemeViews,
  TimelineEvent,
  TimelineMeta,
} from "../../domain/answers.ts"
import type { JsonObject } from "../../domain/event.ts"
import {
  LIVE_DIMENSIONS,
  type LiveDimensions,
  type LiveEvent,
  type Omitted,
  type PeriodFigures,
  type Refusal,
} from "../../domain/frames.ts"
import { PERIODS, type Period } from "../../domain/period.ts"
import type { AnswerRow, QuestionAnswer } from "./questions.ts"

/** Whether a value has a shape. */
export type Is<A> = (value: unknown) => value is A

export const isText: Is<string> = (value) => typeof value === "string"
export const isNumber: Is<number> = (value) => typeof value === "number"
export const isBoolean: Is<boolean> = (value) => typeof value === "boolean"
const isAnything: Is<unknown> = (value): value is unknown => value !== undefined
const isPeriod: Is<Period> = (value): value is Period => PERIODS.some((period) => period === value)

const isObject: Is<JsonObject> = (value): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const orNull =
  <A>(is: Is<A>): Is<A | null> =>
  (value) =>
    value === null || is(value)

export const listOf =
  <A>(is: Is<A>): Is<ReadonlyArray<A>> =>
  (value) =>
    Array.isArray(value) && value.every(is)

/** An object with every member of a type; the compiler asks for each. More are allowed, because the server may be newer. */
export const shape =
  <A extends object>(members: { readonly [K in keyof A]-?: Is<A[K]> }): Is<A> =>
  (value): value is A =>
    isObject(value) && Object.entries<Is<unknown>>(members).every(([name, is]) => is(value[name]))

const isRealtime = shape<Realtime>({
  current_visitors: isNumber,
  unique_today: isNumber,
  total_events: isNumber,
  letters_today: isNumber,
  timestamp: isNumber,
})

const isStats = shape<Stats>({
  period: isPeriod,
  period_key: isText,
  total_events: isNumber,
  page_views: isNumber,
  letters_generated: isNumber,
  unique_visitors: isNumber,
  conversion_rate: isNumber,
})

const isLetters = shape<Letters>({
  period: isPeriod,
  total: isNumber,
  motivation: isNumber,
  anti_motivation: isNumber,
  unique_visitors: isNumber,
  conversion_rate: isNumber,
  history: listOf(shape<Letters["history"][number]>({ date: isText, count: isNumber })),
})

const isThemes = listOf(shape<ThemeViews>({ theme: isText, views: isNumber, percentage: isNumber }))

const isTimelineEvent = shape<TimelineEvent>({
  site: (value): value is TimelineEvent["site"] => value === undefined || isText(value),
  id: isText,
  visitor_id: isText,
  event_type: isText,
  event_data: isAnything,
  page_url: orNull(isText),
  referrer: orNull(isText),
  created_at: isText,
})

const isDayCourse = shape<DayCourse>({
  date: isText,
  from: isText,
  until: isText,
  total_events: listOf(isNumber),
  page_views: listOf(isNumber),
  letters: listOf(isNumber),
  unique_visitors: listOf(isNumber),
})

export interface HistoryAnswer {
  readonly data: ReadonlyArray<MinuteOfHistory>
  readonly meta: HistoryMeta
}

export interface TimelineAnswer {
  readonly data: ReadonlyArray<TimelineEvent>
  readonly meta: TimelineMeta
}

/** The body of the answer that each part of the page is read from. */
export interface Answers {
  readonly hour: HistoryAnswer
  readonly yesterday: { readonly data: DayCourse }
  readonly stats: { readonly data: Stats }
  readonly letters: { readonly data: Letters }
  readonly themes: { readonly data: ReadonlyArray<ThemeViews> }
  readonly clicks: { readonly data: ReadonlyArray<HeatmapPoint> }
  readonly timeline: TimelineAnswer
}

/** What is read of a goal. */
export interface NamedGoal {
  readonly name: string
}

/** Whether a body is the answer of `GET /goals`. */
export const isGoalsAnswer = shape<{ readonly data: ReadonlyArray<NamedGoal> }>({
  data: listOf(shape<NamedGoal>({ name: isText })),
})

/** An answer, and the part that it is for. */
export type Answer = { readonly [P in keyof Answers]: { readonly part: P } & Answers[P] }[keyof Answers]

/** Whether a body is a part's answer. */
export const isAnswer: { readonly [P in keyof Answers]: Is<Answers[P]> } = {
  hour: shape<HistoryAnswer>({
    data: listOf(shape<MinuteOfHistory>({ time: isText, events: isNumber, visitors: isNumber })),
    meta: shape<HistoryMeta>({ minutes: isNumber, until: isText }),
  }),
  yesterday: shape<Answers["yesterday"]>({ data: isDayCourse }),
  stats: shape<Answers["stats"]>({ data: isStats }),
  letters: shape<Answers["letters"]>({ data: isLetters }),
  themes: shape<Answers["themes"]>({ data: isThemes }),
  clicks: shape<Answers["clicks"]>({
    data: listOf(shape<HeatmapPoint>({ x: isNumber, y: isNumber, count: isNumber })),
  }),
  timeline: shape<TimelineAnswer>({
    data: listOf(isTimelineEvent),
    meta: shape<TimelineMeta>({
      limit: isNumber,
      offset: isNumber,
      count: isNumber,
      next_cursor: orNull(isText),
    }),
  }),
}

/** What the page reads of what its reader may do. */
export type Access = Pick<AccessReport, "name" | "login" | "may" | "own" | "default" | "exposed">

/** Whether a body is the answer of `/access`. */
export const isAccessAnswer = shape<{ readonly data: Access }>({
  data: shape<Access>({
    name: orNull(isText),
    login: orNull((value): value is "session" | "proxy" => value === "session" || value === "proxy"),
    may: listOf((value): value is Access["may"][number] => isText(value)),
    own: listOf(isText),
    default: orNull(isText),
    exposed: isBoolean,
  }),
})

const isNamed = listOf(shape<Pick<Site, "slug" | "name">>({ slug: isText, name: isText }))

/** What sites are called, by an answer of `/sites`; a node of an earlier version does not say. */
export const siteNames = ({ data }: { readonly data: object }): ReadonlyMap<string, string> =>
  new Map(
    "details" in data && isNamed(data.details) ? data.details.map(({ slug, name }) => [slug, name]) : [],
  )

const isZoned = shape<Pick<DeclaredSites, "time_zone"> & { readonly details: ReadonlyArray<SiteZone> }>({
  time_zone: isText,
  details: listOf(shape<SiteZone>({ slug: isText, time_zone: orNull(isText) })),
})

type SiteZone = Pick<Site, "slug" | "time_zone">

/** Time zones of sites. */
export interface SiteZones {
  /** Of the deployment; `null` where it is not known. */
  readonly server: string | null
  /** By their slugs, of those that have chosen one. */
  readonly chosen: ReadonlyMap<string, string>
}

/** The time zones of an answer of `/sites`; a node of an earlier version does not say. */
export const siteZones = ({ data }: { readonly data: object }): SiteZones =>
  isZoned(data)
    ? {
        server: data.time_zone,
        chosen: new Map(
          data.details.flatMap(({ slug, time_zone }) =>
            time_zone === null ? [] : [[slug, time_zone] as const],
          ),
        ),
      }
    : { server: null, chosen: new Map() }

/** Whether a body is the answer of `/sites`. */
export const isSitesAnswer = shape<{ readonly data: Pick<DeclaredSites, "sites" | "default"> }>({
  data: shape<Pick<DeclaredSites, "sites" | "default">>({ sites: listOf(isText), default: isText }),
})

/** Where sites have their pages, by an answer of `/sites`. */
export const isSiteHosts = shape<{
  readonly data: { readonly details: ReadonlyArray<Pick<Site, "slug" | "hosts">> }
}>({
  data: shape({
    details: listOf(shape<Pick<Site, "slug" | "hosts">>({ slug: isText, hosts: listOf(isText) })),
  }),
})

/** Whether a body is the answer of `/heatmap/tickets`. */
export const isTicketAnswer = shape<{ readonly data: { readonly ticket: string } }>({
  data: shape<{ readonly ticket: string }>({ ticket: isText }),
})

const isCounts = listOf(orNull(isNumber))

const isAnswerRow: Is<AnswerRow> = (value): value is AnswerRow =>
  isObject(value) &&
  listOf(orNull(isText))(value.dimensions) &&
  isCounts(value.metrics) &&
  (value.comparison === undefined || (isObject(value.comparison) && isCounts(value.comparison.metrics)))

const isAnswerOfQuestion = shape<QuestionAnswer>({
  results: listOf(isAnswerRow),
  meta: shape<QuestionAnswer["meta"]>({ total_rows: isNumber }),
  query: shape<QuestionAnswer["query"]>({ time_zone: isText, dimensions: listOf(isText) }),
})

/** Whether a body is the answer to a question. */
export const isQuestionAnswer = shape<{ readonly data: QuestionAnswer }>({ data: isAnswerOfQuestion })

/** Whether a body is a refusal. */
export const isRefusal = shape<{ readonly code: string; readonly error: string }>({
  code: isText,
  error: isText,
})

/** A frame that this page uses. */
export type Frame =
  | { readonly kind: "realtime"; readonly data: Realtime; readonly omitted: Omitted | null }
  | { readonly kind: "themes"; readonly data: ReadonlyArray<ThemeViews> }
  | { readonly kind: "period"; readonly data: PeriodFigures }
  | { readonly kind: "event"; readonly data: LiveEvent }
  | { readonly kind: "refusals"; readonly data: ReadonlyArray<Refusal> }
  | { readonly kind: "answer"; readonly id: string; readonly data: QuestionAnswer }
  /** `id`: of the question that it is about; `null` where it is about none. */
  | { readonly kind: "failure"; readonly code: string; readonly id: string | null }

const isPeriodFigures = shape<PeriodFigures>({ stats: isStats, letters: isLetters })

const isRefusals = listOf(
  shape<Refusal>({
    site: isText,
    code: isText,
    host: orNull(isText),
    events: isNumber,
    timestamp: isText,
  }),
)

const isOmitted = shape<Omitted>({
  events: isNumber,
  by_type: (value): value is Omitted["by_type"] => isObject(value) && Object.values(value).every(isNumber),
})

const isLiveEvent = shape<Omit<LiveEvent, "dimensions">>({
  site: isText,
  type: isText,
  visitor_id: isText,
  timestamp: isText,
  page_url: orNull(isText),
  data: orNull(isObject),
})

/** The dimensions of an event that are known, as texts. */
const dimensionsOf = ({ dimensions }: JsonObject): LiveDimensions => {
  const known = isObject(dimensions) ? dimensions : {}
  return Object.fromEntries(
    LIVE_DIMENSIONS.flatMap((name) => (isText(known[name]) ? [[name, known[name]]] : [])),
  )
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Decodes a frame; `null` for one that this page does not use or understand. Never throws. */
export const decodeFrame = (text: string): Frame | null => {
  const frame = parsed(text)
  if (!isObject(frame)) return null
  const { type, data, omitted, code, id, answer } = frame
  const known = dimensionsOf(frame)
  switch (type) {
    case "initial_stats":
    case "heartbeat":
    case "stats_update":
      return isRealtime(data)
        ? { kind: "realtime", data, omitted: isOmitted(omitted) ? omitted : null }
        : null
    case "themes":
      return isThemes(data) ? { kind: "themes", data } : null
    case "period":
      return isPeriodFigures(data) ? { kind: "period", data } : null
    case "refusals":
      return isRefusals(data) ? { kind: "refusals", data } : null
    case "error":
      return isText(code) ? { kind: "failure", code, id: isText(id) ? id : null } : null
    case "query":
      return isText(id) && isAnswerOfQuestion(answer) ? { kind: "answer", id, data: answer } : null
    default:
      return isLiveEvent(frame) ? { kind: "event", data: { ...frame, dimensions: known } } : null
  }
}

/** Whether a body says that something is done. */
export const isDone = shape<{ readonly success: boolean }>({
  success: (value): value is boolean => value === true,
})
