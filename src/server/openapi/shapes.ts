/** Shapes of answers. The compiler keeps each equal to the type that the code answers with. */
import {
  type AccessReport,
  BEYOND_ERASURE,
  type DayCourse,
  type HeatmapPoint,
  type KeptOfVisitor,
  type KeptOnSite,
  type Letters,
  type LettersOfDay,
  type MinuteOfHistory,
  type RangedHeatmapMeta,
  type RangedLetters,
  type RangedMinute,
  type RangedStats,
  type RangeMeta,
  type ReadinessReport,
  type Realtime,
  type SiteEvent,
  type SiteReceipt,
  type Stats,
  type ThemeViews,
  type TimelineEvent,
  type VisitorReceipt,
  type VisitorSummary,
} from "../../domain/answers.ts"
import { EVENT_TYPE, MAX_URL_LENGTH, UUID } from "../../domain/limits.ts"
import { PERIODS } from "../../domain/period.ts"
import { MAX_INTERVALS } from "../../query/language/index.ts"
import { HEATMAP_GRID } from "../api/parameters.ts"
import { array, count, day, instant, matching, nullable, type Schema, shape, text } from "./schema.ts"

export const uuid = matching(UUID)
/** As the server writes them. */
export const uuidOut = { type: "string", format: "uuid" } as const
export const period = { type: "string", enum: [...PERIODS] }
const rate = { type: "number", minimum: 0 } as const
const percentage = { type: "number", minimum: 0, maximum: 100 } as const

export const realtime = shape<Realtime>({
  current_visitors: count,
  unique_today: count,
  total_events: count,
  letters_today: count,
  timestamp: { ...count, description: "Unix seconds." },
})

export const accessReport = shape<AccessReport>({
  access: { type: "string", enum: ["public", "private"] },
  chosen: { type: "boolean", description: "Whether `ACCESS` is set." },
  exposed: {
    type: "boolean",
    description: "Whether it is not, and the node listens beyond its own machine.",
  },
  name: { type: ["string", "null"], description: "Who asks, as far as that is known." },
  login: {
    type: ["string", "null"],
    enum: ["session", "proxy", null],
    description: "How they have logged in.",
  },
  may: array({ type: "string", enum: ["figures", "read", "write", "admin", "metrics"] }),
  sites: array(text),
  own: { ...array(text), description: "Those of them for which it may more than everybody." },
  default: { type: ["string", "null"] },
})

/** What an answer says of itself: what is an estimate, what was added up before, and what is not in it. */
export const told = {
  approximate: { ...array(text), description: "Figures that are estimates." },
  imported: {
    type: "boolean",
    description: "Daily totals are in it, of days whose raw events have expired.",
  },
  notices: { ...array(text), description: "Sentences about what is not in it." },
} as const

const totals = {
  total_events: count,
  page_views: count,
  letters_generated: count,
  unique_visitors: count,
  conversion_rate: { ...rate, description: "Letters per unique visitor; 0 without visitors." },
} as const

export const stats = shape<Stats>({
  period,
  period_key: { type: "string", pattern: "^\\d{4}-(\\d{2}-\\d{2}|W\\d{2}|\\d{2})$" },
  ...totals,
})

export const rangedStats = shape<RangedStats>({
  total_events: nullable(totals.total_events),
  page_views: nullable(totals.page_views),
  letters_generated: nullable(totals.letters_generated),
  unique_visitors: nullable(totals.unique_visitors),
  conversion_rate: nullable(totals.conversion_rate),
})
const RANGE_META = ["date_range", "time_zone", "approximate"]
const rangeFields = {
  date_range: array(instant, { minItems: 2, maxItems: 2 }),
  time_zone: text,
  ...told,
} as const
export const rangeMeta = shape<RangeMeta>(rangeFields, { required: RANGE_META })

export const theme = shape<ThemeViews>({ theme: text, views: count, percentage })

const lettersFields = {
  total: count,
  motivation: count,
  anti_motivation: count,
}

export const letters = shape<Letters>({
  period,
  ...lettersFields,
  unique_visitors: count,
  conversion_rate: rate,
  history: array(shape<Letters["history"][number]>({ date: day, count }), { minItems: 1, maxItems: 31 }),
})

export const rangedLetters = shape<RangedLetters>({
  ...lettersFields,
  unique_visitors: nullable(count),
  conversion_rate: nullable(rate),
  history: array(shape<RangedLetters["history"][number]>({ date: day, count: nullable(count) }), {
    minItems: 1,
    maxItems: MAX_INTERVALS,
  }),
})

export const lettersOfDay = shape<LettersOfDay>({
  date: day,
  motivation: count,
  anti_motivation: count,
  other: count,
  total: count,
})

const timelineFields = {
  id: uuidOut,
  visitor_id: uuidOut,
  event_type: matching(EVENT_TYPE),
  event_data: { type: ["object", "null"] },
  page_url: { type: ["string", "null"], maxLength: MAX_URL_LENGTH },
  referrer: { type: ["string", "null"], maxLength: MAX_URL_LENGTH },
  created_at: instant,
}
export const timelineEvent = shape<TimelineEvent>(
  { ...timelineFields, site: { ...text, description: "Of several sites, which one." } },
  { required: Object.keys(timelineFields) },
)

/** As administration exports it: with its site and all that is known of it. */
export const visitorEvent = shape<SiteEvent>({
  site: text,
  ...timelineFields,
  is_bot: { type: "boolean" },
  dimensions: { type: "object", additionalProperties: { type: "string" } },
})

const keptOnSite = shape<KeptOnSite>({ site: text, events: count, first_at: instant, last_at: instant })

export const keptOfVisitor = shape<KeptOfVisitor>({
  visitor_id: matching(UUID),
  events: count,
  sites: array(keptOnSite),
})

const receiptFields = {
  id: matching(UUID),
  erased_at: instant,
  by: text,
  events: count,
  dead_letters: count,
  not_reached: array({ type: "string", enum: [...BEYOND_ERASURE] }),
}

export const visitorReceipt = shape<VisitorReceipt>({
  ...receiptFields,
  visitor_id: matching(UUID),
  sites: array(keptOnSite),
})

export const siteReceipt = shape<SiteReceipt>({
  ...receiptFields,
  site: text,
  first_at: nullable(instant),
  last_at: nullable(instant),
  days: count,
  first_day: nullable(day),
  goals: count,
  share_links: count,
  keys: count,
  removed: { type: "boolean", description: "Whether there is no such site any more." },
  complete: {
    type: "boolean",
    description:
      "Whether all of it is gone. If not, a store does not answer, and the nodes go on by themselves.",
  },
})

export const heatmapPoint = shape<HeatmapPoint>({
  x: { type: "number" },
  y: { type: "number" },
  count: { type: "integer", minimum: 1 },
})

/** Edge of a heatmap's cells. */
export const grid = { type: ["integer", "null"], minimum: 1, maximum: HEATMAP_GRID.max } as const

export const rangedHeatmapMeta = shape<RangedHeatmapMeta>(
  { page_url: { type: ["string", "null"] }, grid, count, total: count, ...rangeFields },
  { required: ["page_url", "grid", "count", "total", ...RANGE_META] },
)

export const rangedMinute = shape<RangedMinute>({
  time: instant,
  events: nullable(count),
  visitors: nullable(count),
})

export const minuteOfHistory = shape<MinuteOfHistory>({ time: instant, events: count, visitors: count })

export const dayCourse = shape<DayCourse>({
  date: day,
  from: instant,
  until: instant,
  total_events: array(count),
  page_views: array(count),
  letters: array(count),
  unique_visitors: array(count),
})

export const visitorSummary = shape<VisitorSummary>({
  visitor_id: uuidOut,
  first_seen: instant,
  last_seen: instant,
  events: count,
  page_views: count,
  letters: count,
})

export const readiness = shape<ReadinessReport>({
  ready: { type: "boolean" },
  redis: {
    type: "string",
    enum: ["up", "refusing", "down"],
    description: "refusing: it answers, but would not take an event; `problems` says why.",
  },
  postgres: {
    type: "string",
    enum: ["up", "refusing", "down", "migrated"],
    description:
      "refusing: it answers, but takes no events; migrated: a newer version has changed the schema; this node only accepts events.",
  },
  backlog: { type: ["integer", "null"], minimum: 0 },
  oldest_event_age_seconds: { type: ["number", "null"], minimum: 0 },
  problems: {
    type: "array",
    items: { type: "string" },
    description: "What is wrong and what to do; empty when the node is ready.",
  },
})

/** `{"success": true, "data": …, "meta"?: …}`. */
export const enveloped = (data: Schema, meta?: Schema): Schema => ({
  type: "object",
  properties: { success: { const: true }, data, ...(meta && { meta }) },
  required: ["success", "data", ...(meta ? ["meta"] : [])],
  additionalProperties: false,
})
