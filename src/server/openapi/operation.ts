/** Operations of the document: parameters, and the kinds of request that the API has. */
import { SITE_SLUG } from "../../config/values.ts"
import { PERIODS } from "../../domain/period.ts"
import type { ProblemCode } from "../http/problemCodes.ts"
import type { IntegerRange } from "../http/query.ts"
import { READ_CODES, refusals } from "./problems.ts"
import { matching, type Schema } from "./schema.ts"
import { enveloped } from "./shapes.ts"

/** A path's answer to one method. */
export interface Operation {
  readonly [key: string]: unknown
  readonly operationId: string
  readonly summary: string
  readonly tags: ReadonlyArray<string>
  readonly parameters?: ReadonlyArray<Parameter>
  readonly responses: { readonly [status: string]: unknown }
}

export interface Parameter {
  readonly name: string
  readonly in: "query" | "header" | "cookie" | "path"
  readonly required: boolean
  readonly schema: Schema
  readonly description?: string
}

/** Operations by method, in lower case. */
export type PathItem = { readonly [method: string]: Operation }

export const content = (type: string, schema: Schema) => ({ content: { [type]: { schema } } })
export const json = (schema: Schema) => content("application/json", schema)

export const query = (name: string, schema: Schema, description: string): Parameter => ({
  name,
  in: "query",
  required: false,
  schema,
  description,
})

export const range = (name: string, { min, max, fallback }: IntegerRange, description: string): Parameter =>
  query(name, { type: "integer", minimum: min, maximum: max, default: fallback }, description)

/** `period`; without a fallback the default is all time. */
export const periodOr = (fallback: "day" | null): Parameter =>
  fallback === null
    ? query(
        "period",
        { type: "string", enum: [...PERIODS] },
        "The current day, week or month. Default: all time.",
      )
    : query(
        "period",
        { type: "string", enum: [...PERIODS], default: fallback },
        "The current day, week or month.",
      )

/** A site's slug. Where the document does not name the sites, because they are not for everybody, it is any. */
export const siteSlug = (sites: ReadonlyArray<string>): Schema =>
  sites.length === 0 ? matching(SITE_SLUG) : { type: "string", enum: sites }

export const siteOf = (sites: ReadonlyArray<string>): Parameter =>
  query(
    "site",
    { ...siteSlug(sites), ...(sites.length > 0 && { default: sites[0] }) },
    "A declared site; without it the default one.",
  )

/** Sites that are read as one. A document that names none says how they are named, too. */
export const sitesOf = (sites: ReadonlyArray<string>): Parameter =>
  query(
    "site",
    { type: "string", ...(sites.length > 0 && { default: sites[0] }) },
    "A declared site, several as one with commas between them, or `all` that who asks may see; without it the default one.",
  )

export const get = (
  operationId: string,
  summary: string,
  tag: string,
  parameters: ReadonlyArray<Parameter>,
  ok: Schema,
  codes: ReadonlyArray<ProblemCode>,
): PathItem => ({
  get: {
    operationId,
    summary,
    tags: [tag],
    ...(parameters.length > 0 && { parameters }),
    responses: { 200: { description: summary, ...ok }, ...refusals(codes) },
  },
})

/** A statistics endpoint: `{success, data, meta?}`, by site. */
export const figure = (
  name: string,
  summary: string,
  parameters: ReadonlyArray<Parameter>,
  data: Schema,
  meta?: Schema,
): PathItem => get(name, summary, "figures", parameters, json(enveloped(data, meta)), READ_CODES)
