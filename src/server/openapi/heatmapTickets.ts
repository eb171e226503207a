/** The paths of the heatmap that a page's own script shows. */
import { MAX_URL_LENGTH } from "../../domain/limits.ts"
import { MAX_HEATMAP_POINTS } from "../../events/read/index.ts"
import { MAX_TICKET } from "../api/heatmapTickets.ts"
import type { ProblemCode } from "../http/problemCodes.ts"
import { ACCESS_CODES } from "../http/refusalCodes.ts"
import { json, type PathItem } from "./operation.ts"
import { BODY_CODES, refusals } from "./problems.ts"
import { array, instant, type Schema, shape, text } from "./schema.ts"
import * as shapes from "./shapes.ts"

const ticket = { ...text, minLength: 1, maxLength: MAX_TICKET }

const posted = (
  operationId: string,
  summary: string,
  properties: { readonly [name: string]: Schema },
  required: string,
  answer: Schema,
  codes: ReadonlyArray<ProblemCode>,
): PathItem => ({
  post: {
    operationId,
    summary,
    tags: ["figures"],
    requestBody: { required: true, ...json({ type: "object", properties, required: [required] }) },
    responses: {
      200: { description: summary, ...json(answer) },
      ...refusals([...codes, ...BODY_CODES, "INVALID_FIELD", "INVALID_QUERY", "STORE_UNAVAILABLE"]),
    },
  },
})

export const heatmapTicketPaths = (base: string): { readonly [path: string]: PathItem } => ({
  [`${base}/heatmap/tickets`]: posted(
    "addHeatmapTicket",
    "Make a ticket, good for an hour, for the heatmap of one page",
    {
      page_url: {
        ...text,
        minLength: 1,
        maxLength: MAX_URL_LENGTH,
        description: "The page's URL, or its path where its events have no host.",
      },
      site: { ...text, description: "As of `/query`." },
      date_range: { description: "As of `/query`." },
      time_zone: { ...text, description: "As of `/query`." },
      filters: { description: "As of `/query`." },
    },
    "page_url",
    shapes.enveloped(shape({ ticket, expires_at: instant })),
    ACCESS_CODES,
  ),
  [`${base}/heatmap/page`]: posted(
    "heatmapOfTicket",
    "The positions of clicks that a ticket is for, most clicked first",
    { ticket },
    "ticket",
    shapes.enveloped(array(shapes.heatmapPoint, { maxItems: MAX_HEATMAP_POINTS }), shapes.rangedHeatmapMeta),
    ["UNAUTHORIZED", "QUERY_TIMEOUT", "TOO_MANY_QUERIES", "QUERY_ENGINE_UNAVAILABLE"],
  ),
})
