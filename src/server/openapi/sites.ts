/** How sites are added and changed. */
import { MAX_EXCLUSIONS, MAX_HOSTS, SITE_SLUG } from "../../config/values.ts"
import { OTHER_HOSTS } from "../../domain/answers.ts"
import { MAX_SITE_NAME } from "../api/sites.ts"
import type { ProblemCode } from "../http/problemCodes.ts"
import { ACCESS_CODES } from "../http/refusalCodes.ts"
import { json, type Operation, type PathItem } from "./operation.ts"
import { BODY_CODES, refusals } from "./problems.ts"
import { array, matching, type Schema, text } from "./schema.ts"
import { enveloped, siteReceipt } from "./shapes.ts"

const slug: Schema = matching(SITE_SLUG)
const name: Schema = {
  ...{ type: "string", minLength: 1, maxLength: MAX_SITE_NAME },
  description: "For people; the slug if it is absent.",
}
const hosts: Schema = {
  ...array(text, { maxItems: MAX_HOSTS }),
  description: "Where its pages are.",
}
const other_hosts: Schema = {
  ...{ type: "string", enum: [...OTHER_HOSTS], default: OTHER_HOSTS[0] },
  description:
    "What becomes of events of other hosts, unless they come with a write key: they count, are refused, or are stored and marked, and in no figure unless `bots` asks for them.",
}
const only_hosts: Schema = {
  type: "boolean",
  description:
    "Whether `other_hosts` is `refuse`, for clients that do not know that; said with it, it says nothing.",
}
const time_zone: Schema = {
  type: ["string", "null"],
  description: "The zone in which its page and its questions speak by default; null for the deployment's.",
}
const retention_days: Schema = {
  ...{ type: ["integer", "null"], minimum: 1 },
  description:
    "Days for which its raw events are kept, not more than RETENTION_DAYS; null for as long as the deployment's.",
}
const archived: Schema = {
  type: "boolean",
  description: "It takes no events any more, and goes on answering questions.",
}

const excluded_paths: Schema = {
  ...array(text, { maxItems: MAX_EXCLUSIONS }),
  description: "Patterns of paths, in which `*` stands for anything, whose events are left out.",
}
const excluded_addresses: Schema = {
  ...array(text, { maxItems: MAX_EXCLUSIONS }),
  description: "Addresses and CIDRs of visitors whose events are left out.",
}

/** A site, as `GET /sites` tells of it: what is left out is told to whom may do everything. */
export const siteDetails: Schema = {
  type: "object",
  properties: {
    ...{ slug, name, hosts, other_hosts, only_hosts, time_zone, retention_days, archived },
    ...{ excluded_paths, excluded_addresses },
  },
  required: [
    ...["slug", "name", "hosts", "other_hosts", "only_hosts", "time_zone", "retention_days", "archived"],
  ],
  additionalProperties: false,
}

const CODES: ReadonlyArray<ProblemCode> = [
  ...ACCESS_CODES,
  ...BODY_CODES,
  "INVALID_FIELD",
  "CONFLICT",
  "STORE_UNAVAILABLE",
]

const change = (
  operationId: string,
  summary: string,
  properties: { readonly [field: string]: Schema },
  required: ReadonlyArray<string>,
  codes: ReadonlyArray<ProblemCode>,
  more: Partial<Operation> = {},
): Operation => ({
  ...{ operationId, summary, tags: ["figures"], ...more },
  requestBody: {
    required: true,
    ...json({ type: "object", properties, ...(required.length > 0 && { required }) }),
  },
  responses: { 200: { description: summary, ...json(enveloped({ type: "null" })) }, ...refusals(codes) },
})

/** `POST /sites`. */
export const addSite: PathItem = {
  post: change(
    "addSite",
    "Add a site; every node takes its events at once",
    { slug, name, hosts, other_hosts, only_hosts, time_zone },
    ["slug"],
    CODES,
  ),
}

const ofSlug = {
  parameters: [
    { name: "id", in: "path" as const, required: true, schema: text, description: "The site's slug." },
  ],
}

const ERASED = "Erase a site with all that there is of it; answers with a receipt"

/** `PATCH` and `DELETE /sites/{id}`. */
export const changeSite: PathItem = {
  patch: change(
    "changeSite",
    "Change a site: its name, its hosts, its time zone, whether it takes events",
    {
      ...{ name, hosts, other_hosts, only_hosts, time_zone, retention_days, archived },
      ...{ excluded_paths, excluded_addresses },
    },
    [],
    [...CODES, "NOT_FOUND"],
    ofSlug,
  ),
  delete: {
    ...{ operationId: "eraseSite", summary: ERASED, tags: ["figures"], ...ofSlug },
    responses: {
      200: { description: ERASED, ...json(enveloped(siteReceipt)) },
      ...refusals([...ACCESS_CODES, "NOT_FOUND", "STORE_UNAVAILABLE"]),
    },
  },
}
