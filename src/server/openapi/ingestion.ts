/** The paths that take events. */
import {
  EVENT_TYPE,
  ISO_TIMESTAMP,
  MAX_AGE_TEXT,
  MAX_AHEAD_TEXT,
  MAX_BATCH_BODY_BYTES,
  MAX_BATCH_EVENTS,
  MAX_EVENT_BODY_BYTES,
  MAX_EVENT_DATA_BYTES,
  MAX_EVENT_DATA_DEPTH,
  MAX_EVENT_NAME_LENGTH,
  MAX_TITLE_LENGTH,
  MAX_URL_LENGTH,
} from "../../domain/limits.ts"
import { VISITOR_COOKIE } from "../../domain/visitor.ts"
import type { ProblemCode } from "../http/problemCodes.ts"
import { EVENT_CODES, REQUEST_CODES } from "../http/refusalCodes.ts"
import { content, json, type Parameter, type PathItem, query, siteOf, siteSlug } from "./operation.ts"
import { LISTED_CODES, refusals } from "./problems.ts"
import { array, count, matching, nullable, type Schema, shape, text } from "./schema.ts"
import { enveloped, uuid } from "./shapes.ts"

const KIB = 1024

/** Fields of an event. */
const eventProperties = (sites: ReadonlyArray<string>): { readonly [field: string]: Schema } => ({
  event_type: {
    ...matching(EVENT_TYPE),
    description: "Required, unless there is a `name`; 1 to 50 characters of `a-z 0-9 _ . : -`.",
  },
  name: {
    type: ["string", "null"],
    minLength: 1,
    maxLength: MAX_EVENT_NAME_LENGTH,
    description: `The event's name as people read it, 1 to ${MAX_EVENT_NAME_LENGTH} characters of any script; without an \`event_type\`, its slug is the type.`,
  },
  event_data: {
    type: ["object", "null"],
    description: `An object of at most ${MAX_EVENT_DATA_BYTES / KIB} KiB as compact JSON, at most ${MAX_EVENT_DATA_DEPTH} levels deep.`,
  },
  page_url: {
    type: ["string", "null"],
    description: `A string, cut at ${MAX_URL_LENGTH} UTF-16 code units; of its query, only [a part](events.md#pages) is kept.`,
  },
  referrer: {
    type: ["string", "null"],
    description:
      "A string, cut at the same length; an empty one says that there is none. Without it, and without `page_url`, the `Referer` header is taken.",
  },
  title: {
    description: `Title of the page, a string, cut at ${MAX_TITLE_LENGTH} code units; anything else is ignored.`,
  },
  screen: {
    description:
      'Width of the screen in CSS pixels, such as `1920`, or `"1920x1080"`; anything else is ignored.',
  },
  language: {
    description: "The visitor's language, such as `pt-BR`; defaults to the `Accept-Language` header.",
  },
  user_agent: {
    description: `The visitor's browser as it names itself, from a server that holds a [write key](#rate-limit-and-write-keys): it tells browser, system, device and bots in place of the request. Ignored from anybody else.`,
  },
  id: {
    ...nullable(uuid),
    description: "A UUID, the event's idempotency key: the event counts once, however often it is sent.",
  },
  timestamp: {
    anyOf: [matching(ISO_TIMESTAMP), { type: "number" }, { type: "null" }],
    description: `When it happened: ISO 8601 with \`Z\` or an offset, or unix milliseconds, from ${MAX_AGE_TEXT} ago to ${MAX_AHEAD_TEXT} ahead; defaults to the time of receipt.`,
  },
  age: {
    description: `Milliseconds that have passed between the event and its being sent, up to ${MAX_AGE_TEXT}: for senders whose clock may be wrong. In place of \`timestamp\`, which takes precedence; anything else than a number from 0 is ignored.`,
  },
  visitor_id: {
    ...nullable(uuid),
    description: "A UUID; without it, the visitor is identified by other means.",
  },
  site: {
    ...nullable(siteSlug(sites)),
    description: "A declared site; takes precedence over the parameter of the same name.",
  },
})

/** One event as it is POSTed. */
export const eventSchema = (sites: ReadonlyArray<string>): Schema => ({
  type: "object",
  description: "Fields that are null count as absent; unknown ones are ignored.",
  anyOf: [{ required: ["event_type"] }, { required: ["name"] }],
  properties: eventProperties(sites),
})

const NUMBER_HEADER = { schema: count }
/** From an early draft of the IETF's RateLimit fields; sent only if there is a limit. */
const RATE_HEADERS = {
  "RateLimit-Limit": NUMBER_HEADER,
  "RateLimit-Remaining": NUMBER_HEADER,
  "RateLimit-Reset": NUMBER_HEADER,
  "RateLimit-Policy": { schema: text },
}

const post = (
  operationId: string,
  summary: string,
  sites: ReadonlyArray<string>,
  bodies: { readonly [type: string]: Schema },
  done: Schema,
  codes: ReadonlyArray<ProblemCode>,
): PathItem => ({
  post: {
    operationId,
    summary,
    tags: ["events"],
    parameters: [
      siteOf(sites),
      {
        name: "X-Visitor-Id",
        in: "header",
        required: false,
        schema: uuid,
        description: "The visitor of events without a `visitor_id`.",
      },
      {
        name: VISITOR_COOKIE,
        in: "cookie",
        required: false,
        schema: text,
        description: "The visitor if there is no other, provided it is a UUID.",
      },
    ],
    security: [{}, { writeKey: [] }, { writeKeyBearer: [] }],
    requestBody: {
      required: true,
      content: Object.fromEntries(Object.entries(bodies).map(([type, schema]) => [type, { schema }])),
    },
    responses: {
      201: { description: "Every accepted event is durable.", headers: RATE_HEADERS, ...json(done) },
      ...refusals(codes),
    },
  },
})

const tracked: Schema = {
  type: "object",
  properties: { success: { const: true }, message: text },
  required: ["success", "message"],
  additionalProperties: false,
}

const batchReport = shape<{ accepted: number; rejected: unknown }>({
  accepted: { ...count, maximum: MAX_BATCH_EVENTS },
  rejected: array(
    shape<{ index: number; code: string; error: string }>({
      index: { ...count, exclusiveMaximum: MAX_BATCH_EVENTS },
      code: { type: "string", enum: LISTED_CODES },
      error: text,
    }),
  ),
})

/** Fields of an event, as parameters of a query. */
const fieldParameters = (sites: ReadonlyArray<string>): ReadonlyArray<Parameter> =>
  Object.entries(eventProperties(sites)).flatMap(([name, { description }]) =>
    name === "site" ? [] : [query(name, text, String(description))],
  )

/** What refuses a body. */
const BODY_CODES: ReadonlySet<ProblemCode> = new Set([
  ...(["INVALID_JSON", "INVALID_UTF8", "INVALID_BODY", "BODY_TIMEOUT", "BODY_TOO_LARGE"] as const),
  ...(["UNSUPPORTED_MEDIA_TYPE", "BODIES_FULL"] as const),
])

const pixel = (sites: ReadonlyArray<string>): PathItem => ({
  get: {
    operationId: "sendEventInQuery",
    summary: "One event, a page view unless it says otherwise, with its fields in the query",
    tags: ["events"],
    parameters: [siteOf(sites), ...fieldParameters(sites)],
    responses: {
      200: {
        description: "The event is durable: to those who accept an image, a pixel of 43 bytes.",
        headers: RATE_HEADERS,
        ...content("image/gif", { type: "string", format: "binary" }),
      },
      204: { description: "The event is durable.", headers: RATE_HEADERS },
      ...refusals([
        ...REQUEST_CODES.filter((code) => !BODY_CODES.has(code)),
        ...EVENT_CODES.filter((code) => code !== "INVALID_BODY"),
      ]),
    },
  },
})

const EVENT: Schema = { $ref: "#/components/schemas/Event" }

/** A path that takes a batch. */
export const batchPath = (operationId: string, sites: ReadonlyArray<string>): PathItem => {
  const batch = array(EVENT, { maxItems: MAX_BATCH_EVENTS })
  const lines: Schema = { ...text, description: "One event per line." }
  return post(
    operationId,
    `Up to ${MAX_BATCH_EVENTS.toLocaleString("en")} events and ${MAX_BATCH_BODY_BYTES / KIB / KIB} MiB; valid ones are kept even when others are refused`,
    sites,
    {
      "application/json": batch,
      "text/plain": batch,
      "application/x-ndjson": lines,
      "application/ndjson": lines,
    },
    enveloped(batchReport),
    [...REQUEST_CODES, "TOO_MANY_EVENTS"],
  )
}

export const ingestionPaths = (base: string, sites: ReadonlyArray<string>) => ({
  [`${base}/event`]: {
    ...post(
      "sendEvent",
      `One event, at most ${MAX_EVENT_BODY_BYTES / KIB} KiB`,
      sites,
      { "application/json": EVENT, "text/plain": EVENT },
      tracked,
      [...REQUEST_CODES, ...EVENT_CODES],
    ),
    ...pixel(sites),
  },
  [`${base}/events`]: batchPath("sendEvents", sites),
})
