/** The paths of figures, exports and administration. */
import type {
  DeclaredSites,
  HeatmapMeta,
  HistoryMeta,
  TimelineMeta,
  VisitorReceipt,
} from "../../domain/answers.ts"
import { UUID } from "../../domain/limits.ts"
import { MAX_HEATMAP_POINTS, PAGE_TOKEN } from "../../events/read/index.ts"
import { MAX_INTERVALS } from "../../query/language/index.ts"
import { COLUMNS, EXPORT_KINDS, type ExportKind } from "../api/exports.ts"
import {
  EXPORT_FORMATS,
  EXPORT_MARKS,
  HEATMAP_GRID,
  HEATMAP_HOURS,
  HEATMAP_LIMIT,
  HISTORY_MINUTES,
  SUMMARIES,
  THEMES_LIMIT,
  TIMELINE_LIMIT,
  TIMELINE_OFFSET,
} from "../api/parameters.ts"
import {
  figure,
  get,
  json,
  type Parameter,
  type PathItem,
  periodOr,
  query,
  range,
  siteOf,
  sitesOf,
} from "./operation.ts"
import { ADMIN_CODES, EXPORT_CODES, QUERY_CODES, READ_CODES, refusals } from "./problems.ts"
import { array, count, instant, matching, nullable, type Schema, shape, text } from "./schema.ts"
import * as shapes from "./shapes.ts"
import { addSite, changeSite, siteDetails } from "./sites.ts"

type Paths = { readonly [path: string]: PathItem }

/** The statistics endpoints: figures, and what is read of the raw events. */
export const figurePaths = (base: string, sites: ReadonlyArray<string>): Paths => ({
  ...aggregatePaths(base, sitesOf(sites)),
  ...rawEventPaths(base, sitesOf(sites)),
})

/** A figure, or with some parameters that of any time: the answer to a question. */
const rangedFigure = (
  name: string,
  summary: string,
  parameters: ReadonlyArray<Parameter>,
  /** The parameter in whose place these are, and the time without a `date_range`. */
  { time, range: otherwise }: { readonly time: string; readonly range: string },
  ownTime: Schema,
  anyTime: Schema,
): PathItem =>
  get(
    name,
    summary,
    "figures",
    [
      ...parameters,
      query(
        "date_range",
        text,
        `As of \`/query\`; in place of \`${time}\`. Default with the two below: ${otherwise}.`,
      ),
      query("time_zone", text, "As of `/query`."),
      query("filters", text, "As of `/query`, as JSON."),
    ],
    json({ anyOf: [ownTime, anyTime] }),
    [...READ_CODES, ...QUERY_CODES],
  )

const themes = array(shapes.theme, { maxItems: THEMES_LIMIT.max })
const places = array(shapes.heatmapPoint, { maxItems: MAX_HEATMAP_POINTS })

const heatmapMeta = shape<HeatmapMeta>({
  page_url: { type: ["string", "null"] },
  hours: { type: "integer", minimum: HEATMAP_HOURS.min, maximum: HEATMAP_HOURS.max },
  grid: shapes.grid,
  count,
  total: count,
})

const aggregatePaths = (base: string, site: Parameter): Paths => ({
  [`${base}/sites`]: {
    ...figure(
      "sites",
      "The declared sites, default first",
      [site],
      shape<DeclaredSites>({
        sites: array(text, { minItems: 1 }),
        default: text,
        details: array(siteDetails, { minItems: 1 }),
        time_zone: { ...text, description: "The deployment's zone, `TIME_ZONE`." },
        retention_days: { ...count, description: "Days for which raw events are kept, `RETENTION_DAYS`." },
        script: {
          ...text,
          description: "The path of the script that pages load, below the address of the node.",
        },
      }),
    ),
    ...addSite,
  },
  [`${base}/sites/{id}`]: changeSite,
  [`${base}/realtime`]: get(
    "realtime",
    "Today's figures and the current visitors",
    "figures",
    [site],
    json(shapes.enveloped(shapes.realtime)),
    // Those of several sites are answers to questions.
    [...READ_CODES, ...QUERY_CODES],
  ),
  [`${base}/stats`]: rangedFigure(
    "stats",
    "Figures of a period, or of any time",
    [site, periodOr("day")],
    { time: "period", range: "day" },
    shapes.enveloped(shapes.stats),
    shapes.enveloped(shapes.rangedStats, shapes.rangeMeta),
  ),
  [`${base}/themes`]: rangedFigure(
    "themes",
    "Most viewed themes, ties by name",
    [site, range("limit", THEMES_LIMIT, "Number of themes."), periodOr(null)],
    { time: "period", range: "all" },
    shapes.enveloped(themes),
    shapes.enveloped(themes, shapes.rangeMeta),
  ),
  [`${base}/letters`]: rangedFigure(
    "letters",
    "Letters, with a row for every day of the period, or of any time",
    [site, periodOr("day")],
    { time: "period", range: "day" },
    shapes.enveloped(shapes.letters),
    shapes.enveloped(shapes.rangedLetters, shapes.rangeMeta),
  ),
})

const rawEventPaths = (base: string, site: Parameter): Paths => ({
  [`${base}/timeline`]: figure(
    "timeline",
    "Raw events, newest first",
    [
      site,
      range("limit", TIMELINE_LIMIT, "Number of events."),
      range("offset", TIMELINE_OFFSET, "Number of events to skip."),
      query(
        "cursor",
        matching(PAGE_TOKEN),
        "`next_cursor` of an earlier response; takes precedence over `offset`.",
      ),
    ],
    array(shapes.timelineEvent, { maxItems: TIMELINE_LIMIT.max }),
    shape<TimelineMeta>({
      limit: { type: "integer", minimum: TIMELINE_LIMIT.min, maximum: TIMELINE_LIMIT.max },
      offset: count,
      count,
      next_cursor: nullable(matching(PAGE_TOKEN)),
    }),
  ),
  [`${base}/heatmap`]: rangedFigure(
    "heatmap",
    "Positions of clicks, most clicked first",
    [
      site,
      query("page_url", text, "One page of one host, in any spelling. Default: all pages."),
      query("page", text, "The same as `page_url`, which takes precedence."),
      range("hours", HEATMAP_HOURS, "Length of the window, which ends now."),
      range(
        "grid",
        HEATMAP_GRID,
        "Edge of the square cells that clicks are summed in; 0 for exact positions.",
      ),
      range("limit", HEATMAP_LIMIT, "Number of places, the most clicked."),
    ],
    { time: "hours", range: "24h" },
    shapes.enveloped(places, heatmapMeta),
    shapes.enveloped(places, shapes.rangedHeatmapMeta),
  ),
  [`${base}/history`]: rangedFigure(
    "history",
    "The last minutes, or those of any time, one row per minute, oldest first",
    [site, range("minutes", HISTORY_MINUTES, "Length of the window, which ends now.")],
    { time: "minutes", range: `the last ${HISTORY_MINUTES.fallback} minutes` },
    shapes.enveloped(
      array(shapes.minuteOfHistory, { maxItems: HISTORY_MINUTES.max }),
      shape<HistoryMeta>({
        minutes: { type: "integer", minimum: HISTORY_MINUTES.min, maximum: HISTORY_MINUTES.max },
        until: instant,
      }),
    ),
    shapes.enveloped(array(shapes.rangedMinute, { maxItems: MAX_INTERVALS }), shapes.rangeMeta),
  ),
  [`${base}/yesterday`]: figure(
    "yesterday",
    "How yesterday's totals grew, minute by minute",
    [site],
    shapes.dayCourse,
  ),
})

const EXPORT_ROWS: { readonly [kind in ExportKind]: Schema } = {
  visitors: shapes.visitorSummary,
  themes: shapes.theme,
  letters: shapes.lettersOfDay,
}

/** What who asks may do. */
export const accessPath = (base: string): Paths => ({
  [`${base}/access`]: get(
    "access",
    "What who asks may do here, and the sites that it may see",
    "access",
    [],
    json(shapes.enveloped(shapes.accessReport)),
    [],
  ),
})

/** Of every CSV file. */
export const byteOrderMark = query(
  "bom",
  { type: "string", enum: [...EXPORT_MARKS], default: EXPORT_MARKS[0] },
  "`true` begins a CSV file with a byte order mark, by which spreadsheets know that it is UTF-8.",
)

/** The downloads. */
export const exportPaths = (base: string, sites: ReadonlyArray<string>): Paths =>
  Object.fromEntries(
    EXPORT_KINDS.map((kind) => [
      `${base}/export/${kind}`,
      get(
        `export_${kind}`,
        `A download of ${kind}: ${COLUMNS[kind].map((column) => `\`${column}\``).join(", ")}`,
        "exports",
        [
          siteOf(sites),
          periodOr(kind === "themes" ? null : "day"),
          query(
            "format",
            { type: "string", enum: [...EXPORT_FORMATS], default: EXPORT_FORMATS[0] },
            "CSV (RFC 4180) or a JSON array.",
          ),
          byteOrderMark,
        ],
        {
          headers: { "Content-Disposition": { required: true, schema: text } },
          content: {
            "text/csv": { schema: { type: "string", pattern: `^\\ufeff?${COLUMNS[kind].join(",")}\\r\\n` } },
            "application/json": { schema: array(EXPORT_ROWS[kind]) },
          },
        },
        EXPORT_CODES,
      ),
    ]),
  )

/** The paths of visitors' data. */
export const administrationPaths = (base: string): Paths => {
  const operation = (
    operationId: string,
    summary: string,
    answer: Schema,
    parameters: ReadonlyArray<Parameter> = [],
    codes: typeof ADMIN_CODES = ADMIN_CODES,
  ) => ({
    operationId,
    summary,
    tags: ["administration"],
    parameters: [
      {
        name: "id",
        in: "path",
        required: true,
        schema: matching(UUID),
        description: "The visitor.",
      } as const,
      ...parameters,
    ],
    responses: { 200: { description: summary, ...json(answer) }, ...refusals(codes) },
  })
  return {
    [`${base}/visitors/{id}`]: {
      get: operation(
        "exportVisitor",
        "Every raw event of a visitor, of all sites, oldest first, or how many there are",
        { anyOf: [shapes.enveloped(array(shapes.visitorEvent)), shapes.enveloped(shapes.keptOfVisitor)] },
        [
          query(
            "summary",
            { type: "string", enum: [...SUMMARIES], default: SUMMARIES[0] },
            "`true` tells how many events each site has, and since when, in place of the events.",
          ),
        ],
        [...ADMIN_CODES, "INVALID_PARAMETER"],
      ),
      delete: operation(
        "eraseVisitor",
        "Erase every raw event of a visitor, of all sites; answers with a receipt",
        shapes.enveloped(
          shape<{ deleted: number; receipt: VisitorReceipt }>({
            deleted: count,
            receipt: shapes.visitorReceipt,
          }),
        ),
      ),
    },
  }
}
