/**
 * The OpenAPI 3.1 document of a deployment, served at `/openapi.json`. Limits, patterns, ranges, codes and columns are the
 * very constants that requests are decoded with, and shapes of answers are checked against their types by the compiler.
 */
import packageJson from "../../../package.json" with { type: "json" }
import type { Letters, LettersOfDay, Realtime, Stats, ThemeViews } from "../../aggregates/figures.ts"
import {
  EVENT_TYPE,
  ISO_TIMESTAMP,
  MAX_BATCH_BODY_BYTES,
  MAX_BATCH_EVENTS,
  MAX_EVENT_BODY_BYTES,
  MAX_EVENT_DATA_BYTES,
  MAX_EVENT_DATA_DEPTH,
  MAX_URL_LENGTH,
  UUID,
} from "../../domain/limits.ts"
import { PERIODS } from "../../domain/period.ts"
import { type HeatmapPoint, MAX_HEATMAP_POINTS } from "../../events/heatmap.ts"
import type { DayCourse, MinuteOfHistory } from "../../events/history.ts"
import { CURSOR, type TimelineEvent } from "../../events/timeline.ts"
import type { VisitorSummary } from "../../events/visitors.ts"
import { COLUMNS, EXPORT_KINDS, type ExportKind } from "../export.ts"
import {
  EXPORT_FORMATS,
  HEATMAP_HOURS,
  HISTORY_MINUTES,
  type IntegerRange,
  THEMES_LIMIT,
  TIMELINE_LIMIT,
  TIMELINE_OFFSET,
} from "../parameters.ts"
import { type ProblemCode, STATUS } from "../problem.ts"
import { array, count, day, instant, matching, nullable, type Schema, shape, text } from "./schema.ts"

export interface OpenApiOptions {
  /** The declared sites; the first is the default one. */
  readonly sites: ReadonlyArray<string>
  /** Whether there are administration paths. */
  readonly administration: boolean
}

interface Operation {
  readonly [key: string]: unknown
  readonly operationId: string
  readonly responses: { readonly [status: string]: unknown }
}

/** Paths, each with its operations by method in small letters. */
export interface OpenApiDocument {
  readonly openapi: "3.1.0"
  readonly [key: string]: unknown
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } }
}

const BASE = "/api/v1/analytics"

const uuid = matching(UUID)
/** As the server writes them. */
const uuidOut = { type: "string", format: "uuid" } as const
const period = { type: "string", enum: [...PERIODS] }
const rate = { type: "number", minimum: 0 } as const
const percentage = { type: "number", minimum: 0, maximum: 100 } as const

const realtime = shape<Realtime>({
  current_visitors: count,
  unique_today: count,
  total_events: count,
  letters_today: count,
  timestamp: { ...count, description: "Unix seconds." },
})

const stats = shape<Stats>({
  period,
  period_key: { type: "string", pattern: "^\\d{4}-(\\d{2}-\\d{2}|W\\d{2}|\\d{2})$" },
  total_events: count,
  page_views: count,
  letters_generated: count,
  unique_visitors: count,
  conversion_rate: { ...rate, description: "Letters by unique visitors; 0 without visitors." },
})

const theme = shape<ThemeViews>({ theme: text, views: count, percentage })

const letters = shape<Letters>({
  period,
  total: count,
  motivation: count,
  anti_motivation: count,
  unique_visitors: count,
  conversion_rate: rate,
  history: array(shape<Letters["history"][number]>({ date: day, count }), { minItems: 1, maxItems: 31 }),
})

const lettersOfDay = shape<LettersOfDay>({
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
const timelineEvent = shape<TimelineEvent>(timelineFields)

const heatmapPoint = shape<HeatmapPoint>({
  x: { type: "number" },
  y: { type: "number" },
  count: { type: "integer", minimum: 1 },
})

const minuteOfHistory = shape<MinuteOfHistory>({ time: instant, events: count, visitors: count })

const dayCourse = shape<DayCourse>({
  date: day,
  from: instant,
  until: instant,
  total_events: array(count),
  page_views: array(count),
  letters: array(count),
  unique_visitors: array(count),
})

const visitorSummary = shape<VisitorSummary>({
  visitor_id: uuidOut,
  first_seen: instant,
  last_seen: instant,
  events: count,
  page_views: count,
  letters: count,
})

const readinessShape = shape<{
  ready: boolean
  redis: string
  postgres: string
  backlog: number | null
  oldest_event_age_seconds: number | null
}>({
  ready: { type: "boolean" },
  redis: { type: "string", enum: ["up", "down"] },
  postgres: {
    type: "string",
    enum: ["up", "down", "migrated"],
    description: "migrated: a newer version has changed the schema; this node only takes events.",
  },
  backlog: { type: ["integer", "null"], minimum: 0 },
  oldest_event_age_seconds: { type: ["number", "null"], minimum: 0 },
})

const problemOf = (codes: ReadonlyArray<string>, data?: Schema): Schema => ({
  type: "object",
  properties: {
    success: { const: false },
    error: { type: "string", minLength: 1, description: "One sentence." },
    code: { type: "string", enum: codes },
    ...(data && { data }),
  },
  required: ["success", "error", "code", ...(data ? ["data"] : [])],
  additionalProperties: false,
})

const content = (type: string, schema: Schema) => ({ content: { [type]: { schema } } })
const json = (schema: Schema) => content("application/json", schema)

/** `{"success": true, "data": …, "meta"?: …}`. */
const enveloped = (data: Schema, meta?: Schema): Schema => ({
  type: "object",
  properties: { success: { const: true }, data, ...(meta && { meta }) },
  required: ["success", "data", ...(meta ? ["meta"] : [])],
  additionalProperties: false,
})

const NUMBER_HEADER = { schema: { type: "integer", minimum: 0 } }
const RATE_HEADERS = {
  "RateLimit-Limit": NUMBER_HEADER,
  "RateLimit-Remaining": NUMBER_HEADER,
  "RateLimit-Reset": NUMBER_HEADER,
  "RateLimit-Policy": { schema: text },
}

/** Codes that any request may be refused with. */
const ANYWHERE: ReadonlyArray<ProblemCode> = [
  "INVALID_REQUEST",
  "METHOD_NOT_ALLOWED",
  "SHUTTING_DOWN",
  "INTERNAL_ERROR",
]

const statusOf = (code: ProblemCode): string => STATUS[code].slice(0, 3)

/** Answers that refuse, by status: 503 and 429 say when to try again. */
const refusals = (codes: ReadonlyArray<ProblemCode>) => {
  const byStatus = new Map<string, Array<ProblemCode>>()
  for (const code of new Set([...codes, ...ANYWHERE])) {
    const known = byStatus.get(statusOf(code))
    if (known === undefined) byStatus.set(statusOf(code), [code])
    else known.push(code)
  }
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([status, of]) => [
        status,
        {
          description: of.join(", "),
          ...((status === "503" || status === "429") && {
            headers: { "Retry-After": { description: "Seconds.", required: true, schema: count } },
          }),
          ...(status === "405" && { headers: { Allow: { required: true, schema: text } } }),
          ...json(problemOf(of)),
        },
      ]),
  )
}

const READ_CODES: ReadonlyArray<ProblemCode> = ["INVALID_PARAMETER", "UNKNOWN_SITE", "STORE_UNAVAILABLE"]
const ADMIN_CODES: ReadonlyArray<ProblemCode> = ["UNAUTHORIZED", "INVALID_VISITOR_ID", "STORE_UNAVAILABLE"]
/** What refuses a request before its events are looked at. */
const REQUEST_CODES: ReadonlyArray<ProblemCode> = [
  "INVALID_JSON",
  "INVALID_UTF8",
  "INVALID_BODY",
  "INVALID_PARAMETER",
  "UNKNOWN_SITE",
  "INVALID_WRITE_KEY",
  "BODY_TIMEOUT",
  "BODY_TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
  "RATE_LIMITED",
  "BACKLOG_FULL",
  "STREAM_UNAVAILABLE",
]
/** What refuses one event. */
const EVENT_CODES: ReadonlyArray<ProblemCode> = [
  "INVALID_BODY",
  "INVALID_EVENT_TYPE",
  "INVALID_EVENT_DATA",
  "EVENT_DATA_TOO_LARGE",
  "INVALID_PAGE_URL",
  "INVALID_REFERRER",
  "INVALID_ID",
  "INVALID_TIMESTAMP",
  "TIMESTAMP_OUT_OF_RANGE",
  "INVALID_VISITOR_ID",
  "MISSING_VISITOR",
  "INVALID_SITE",
  "UNKNOWN_SITE",
]
/** What a single event of a batch may be listed with. */
const LISTED_CODES: ReadonlyArray<ProblemCode> = [
  ...EVENT_CODES,
  "INVALID_JSON",
  "RATE_LIMITED",
  "BACKLOG_FULL",
  "STREAM_UNAVAILABLE",
]

const query = (name: string, schema: Schema, description: string) => ({
  name,
  in: "query",
  required: false,
  schema,
  description,
})

const range = (name: string, { min, max, fallback }: IntegerRange, description: string) =>
  query(name, { type: "integer", minimum: min, maximum: max, default: fallback }, description)

/** The document for a deployment. Pure: the same options give the same document. */
export const openApiDocument = ({ sites, administration }: OpenApiOptions): OpenApiDocument => {
  const site = query(
    "site",
    { type: "string", enum: sites, default: sites[0] },
    "The site; an undeclared one is UNKNOWN_SITE.",
  )
  const periodOr = (fallback: string | null) =>
    query(
      "period",
      fallback === null ? period : { ...period, default: fallback },
      fallback === null ? "The current one; all time without it." : "The current one.",
    )

  const event: Schema = {
    type: "object",
    description: "Fields that are null count as absent; unknown ones are ignored.",
    required: ["event_type"],
    properties: {
      event_type: matching(EVENT_TYPE),
      event_data: {
        type: ["object", "null"],
        description: `At most ${MAX_EVENT_DATA_BYTES} bytes as compact JSON, at most ${MAX_EVENT_DATA_DEPTH} levels deep.`,
      },
      page_url: { type: ["string", "null"], description: `Cut at ${MAX_URL_LENGTH} UTF-16 code units.` },
      referrer: {
        type: ["string", "null"],
        description: `Cut at ${MAX_URL_LENGTH} UTF-16 code units; without it the Referer header.`,
      },
      id: {
        ...nullable(uuid),
        description: "Idempotency key: an event counts once however often it is sent.",
      },
      timestamp: {
        anyOf: [matching(ISO_TIMESTAMP), { type: "number" }, { type: "null" }],
        description:
          "ISO 8601 with Z or an offset, or unix milliseconds; from 7 days ago to 5 minutes ahead. Without it the time of receipt.",
      },
      visitor_id: nullable(uuid),
      site: nullable({ type: "string", enum: sites }),
    },
  }
  const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })

  const get = (
    operationId: string,
    summary: string,
    tag: string,
    parameters: ReadonlyArray<unknown>,
    ok: Schema,
    codes: ReadonlyArray<ProblemCode>,
  ) => ({
    get: {
      operationId,
      summary,
      tags: [tag],
      ...(parameters.length > 0 && { parameters }),
      responses: { 200: { description: summary, ...ok }, ...refusals(codes) },
    },
  })
  const figure = (
    name: string,
    summary: string,
    parameters: ReadonlyArray<unknown>,
    data: Schema,
    meta?: Schema,
  ) => get(name, summary, "figures", [site, ...parameters], json(enveloped(data, meta)), READ_CODES)

  const post = (
    operationId: string,
    summary: string,
    types: ReadonlyArray<string>,
    body: Schema,
    done: Schema,
    codes: ReadonlyArray<ProblemCode>,
  ) => ({
    post: {
      operationId,
      summary,
      tags: ["events"],
      parameters: [
        site,
        { name: "X-Visitor-Id", in: "header", required: false, schema: uuid },
        { name: "maicivy_session", in: "cookie", required: false, schema: text },
      ],
      security: [{}, { writeKey: [] }, { writeKeyBearer: [] }],
      requestBody: {
        required: true,
        content: Object.fromEntries(
          types.map((type) => [type, { schema: type.includes("ndjson") ? text : body }]),
        ),
      },
      responses: {
        201: { description: "Every accepted event is durable.", headers: RATE_HEADERS, ...json(done) },
        ...refusals(codes),
      },
    },
  })

  const exportRows: { readonly [kind in ExportKind]: Schema } = {
    visitors: visitorSummary,
    themes: theme,
    letters: lettersOfDay,
  }
  const asset = (operationId: string, summary: string, type: string) =>
    get(operationId, summary, "pages", [], content(type, text), [])

  const visitorPath = {
    [`${BASE}/visitors/{id}`]: {
      ...Object.fromEntries(
        (
          [
            [
              "get",
              "exportVisitor",
              "Every raw event of a visitor, of all sites, oldest first",
              array(shape<{ site: string } & TimelineEvent>({ site: text, ...timelineFields })),
            ],
            [
              "delete",
              "eraseVisitor",
              "Erase every raw event of a visitor, of all sites",
              shape<{ deleted: number }>({ deleted: count }),
            ],
          ] as const
        ).map(([method, operationId, summary, data]) => [
          method,
          {
            operationId,
            summary,
            tags: ["administration"],
            parameters: [{ name: "id", in: "path", required: true, schema: uuid }],
            security: [{ adminToken: [] }],
            responses: {
              200: { description: summary, ...json(enveloped(data)) },
              ...refusals(ADMIN_CODES),
            },
          },
        ]),
      ),
    },
  }

  const ready = get(
    "ready",
    "Whether the node can do its work",
    "operations",
    [],
    json(enveloped(readinessShape)),
    [],
  )
  const paths: OpenApiDocument["paths"] = {
    [`${BASE}/event`]: post(
      "sendEvent",
      `One event, at most ${MAX_EVENT_BODY_BYTES} bytes`,
      ["application/json", "text/plain"],
      ref("Event"),
      {
        type: "object",
        properties: { success: { const: true }, message: text },
        required: ["success", "message"],
        additionalProperties: false,
      },
      [...REQUEST_CODES, ...EVENT_CODES],
    ),
    [`${BASE}/events`]: post(
      "sendEvents",
      `Up to ${MAX_BATCH_EVENTS} events and ${MAX_BATCH_BODY_BYTES} bytes; valid events are kept when others are not`,
      ["application/json", "text/plain", "application/x-ndjson", "application/ndjson"],
      array(ref("Event"), { maxItems: MAX_BATCH_EVENTS }),
      enveloped(
        shape<{ accepted: number; rejected: unknown }>({
          accepted: { ...count, maximum: MAX_BATCH_EVENTS },
          rejected: array(
            shape<{ index: number; code: string; error: string }>({
              index: { ...count, exclusiveMaximum: MAX_BATCH_EVENTS },
              code: { type: "string", enum: LISTED_CODES },
              error: text,
            }),
          ),
        }),
      ),
      [...REQUEST_CODES, "TOO_MANY_EVENTS"],
    ),
    [`${BASE}/sites`]: figure(
      "sites",
      "The declared sites, the default one first",
      [],
      shape<{ sites: unknown; default: string }>({ sites: array(text, { minItems: 1 }), default: text }),
    ),
    [`${BASE}/realtime`]: figure("realtime", "Today's figures, and who is there now", [], realtime),
    [`${BASE}/stats`]: figure("stats", "Figures of a period", [periodOr("day")], stats),
    [`${BASE}/themes`]: figure(
      "themes",
      "Most viewed themes, ties by name",
      [range("limit", THEMES_LIMIT, "Themes of the answer."), periodOr(null)],
      array(theme, { maxItems: THEMES_LIMIT.max }),
    ),
    [`${BASE}/letters`]: figure(
      "letters",
      "Letters, with every day of the period",
      [periodOr("day")],
      letters,
    ),
    [`${BASE}/timeline`]: figure(
      "timeline",
      "Raw events, newest first",
      [
        range("limit", TIMELINE_LIMIT, "Events of the answer."),
        range("offset", TIMELINE_OFFSET, "Events to skip."),
        query("cursor", matching(CURSOR), "next_cursor of an earlier answer; goes before offset."),
      ],
      array(timelineEvent, { maxItems: TIMELINE_LIMIT.max }),
      shape<{ limit: number; offset: number; count: number; next_cursor: string | null }>({
        limit: { type: "integer", minimum: TIMELINE_LIMIT.min, maximum: TIMELINE_LIMIT.max },
        offset: count,
        count,
        next_cursor: nullable(matching(CURSOR)),
      }),
    ),
    [`${BASE}/heatmap`]: figure(
      "heatmap",
      "Positions of button_click and link_click, most clicked first",
      [
        query("page_url", text, "One page, exactly as it was sent; without it all pages."),
        query("page", text, "The same as page_url, which goes before it."),
        range("hours", HEATMAP_HOURS, "Length of the window that ends now."),
      ],
      array(heatmapPoint, { maxItems: MAX_HEATMAP_POINTS }),
      shape<{ page_url: string | null; hours: number; count: number }>({
        page_url: { type: ["string", "null"] },
        hours: { type: "integer", minimum: HEATMAP_HOURS.min, maximum: HEATMAP_HOURS.max },
        count,
      }),
    ),
    [`${BASE}/history`]: figure(
      "history",
      "The last minutes, oldest first, the one that has begun included",
      [range("minutes", HISTORY_MINUTES, "Length of the window that ends now.")],
      array(minuteOfHistory, { maxItems: HISTORY_MINUTES.max }),
      shape<{ minutes: number; until: string }>({
        minutes: { type: "integer", minimum: HISTORY_MINUTES.min, maximum: HISTORY_MINUTES.max },
        until: instant,
      }),
    ),
    [`${BASE}/yesterday`]: figure(
      "yesterday",
      "How the day before grew: one entry a minute, the total at that minute's end",
      [],
      dayCourse,
    ),
    ...Object.fromEntries(
      EXPORT_KINDS.map((kind) => [
        `${BASE}/export/${kind}`,
        get(
          `export_${kind}`,
          `A download of ${kind}; CSV columns ${COLUMNS[kind].join(", ")}`,
          "exports",
          [
            site,
            periodOr(kind === "themes" ? null : "day"),
            query(
              "format",
              { type: "string", enum: [...EXPORT_FORMATS], default: "csv" },
              "CSV (RFC 4180) or a JSON array.",
            ),
          ],
          {
            headers: { "Content-Disposition": { required: true, schema: text } },
            content: {
              "text/csv": { schema: { type: "string", pattern: `^${COLUMNS[kind].join(",")}\\r\\n` } },
              "application/json": { schema: array(exportRows[kind]) },
            },
          },
          READ_CODES,
        ),
      ]),
    ),
    ...(administration && visitorPath),
    "/health": get(
      "health",
      "The process answers",
      "operations",
      [],
      json({
        type: "object",
        properties: { success: { const: true }, status: { const: "ok" } },
        required: ["success", "status"],
        additionalProperties: false,
      }),
      [],
    ),
    "/ready": {
      get: {
        ...ready.get,
        responses: {
          ...ready.get.responses,
          503: {
            description: "NOT_READY, SHUTTING_DOWN",
            headers: { "Retry-After": { description: "Seconds.", required: true, schema: count } },
            ...json({ anyOf: [problemOf(["NOT_READY"], readinessShape), problemOf(["SHUTTING_DOWN"])] }),
          },
        },
      },
    },
    "/metrics": get(
      "metrics",
      "The Prometheus text format",
      "operations",
      [],
      content("text/plain", text),
      [],
    ),
    "/openapi.json": get(
      "openapi",
      "This document",
      "operations",
      [],
      json({ type: "object", required: ["openapi", "info", "paths"] }),
      [],
    ),
    "/ws/analytics": {
      get: {
        operationId: "websocket",
        summary: "Live figures over WebSocket",
        tags: ["live"],
        parameters: [site],
        responses: {
          101: { description: "The connection is a WebSocket from here on." },
          ...refusals([
            "INVALID_PARAMETER",
            "UNKNOWN_SITE",
            "ORIGIN_NOT_ALLOWED",
            "UPGRADE_REQUIRED",
            "CONNECTION_LIMIT",
            "TOO_MANY_CONNECTIONS",
          ]),
        },
      },
    },
    "/": asset("dashboard", "The dashboard", "text/html"),
    "/assets/dashboard.js": asset("dashboardScript", "The dashboard's script", "text/javascript"),
    "/assets/dashboard.css": asset("dashboardStyle", "The dashboard's style sheet", "text/css"),
    "/tracker.js": asset("tracker", "The tracker, for a script tag", "text/javascript"),
  }

  return {
    openapi: "3.1.0",
    info: {
      title: packageJson.name,
      version: packageJson.version,
      description: `${packageJson.description}. HEAD works wherever GET does, and OPTIONS everywhere. Any other path is 404 NOT_FOUND.`,
      license: { name: packageJson.license, identifier: packageJson.license },
    },
    servers: [{ url: "/" }],
    tags: ["events", "figures", "exports", "live", "operations", "administration", "pages"].map((name) => ({
      name,
    })),
    security: [],
    paths,
    components: {
      schemas: {
        Event: event,
        Problem: problemOf(Object.keys(STATUS)),
      },
      securitySchemes: {
        writeKey: { type: "apiKey", in: "header", name: "X-Write-Key", description: "Lifts the rate limit." },
        writeKeyBearer: { type: "http", scheme: "bearer", description: "The same." },
        adminToken: { type: "http", scheme: "bearer", description: "ADMIN_TOKEN." },
      },
    },
  }
}
