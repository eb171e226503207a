/** The path of questions. */
import { DIMENSIONS } from "../../domain/dimensions.ts"
import {
  BOTS,
  COMPARISONS_IN_TIME,
  DEFAULT_LIMIT,
  DEFAULT_VALUES,
  INTERVALS,
  MAX_DIMENSIONS,
  MAX_DOWNLOAD_ROWS,
  MAX_LIMIT,
  MAX_METRICS,
  MAX_OFFSET,
  MAX_STEPS,
  MAX_VALUES_LIMIT,
  METRICS,
  MIN_STEPS,
  PRESETS,
  WITHIN,
} from "../../query/language/index.ts"
import { EXPORT_FORMATS } from "../api/parameters.ts"
import { json, type Operation, type Parameter, type PathItem, query } from "./operation.ts"
import { BODY_CODES, QUERY_CODES, refusals } from "./problems.ts"
import { byteOrderMark } from "./reading.ts"
import { array, count, instant, matching, nullable, type Schema, shape, text } from "./schema.ts"
import { enveloped, told } from "./shapes.ts"

const listed = (of: { readonly [name: string]: string }): string =>
  Object.entries(of)
    .map(([name, what]) => `\`${name}\`: ${what}`)
    .join(" ")

const described = (schema: Schema, description: string): Schema => ({ ...schema, description })

const names = Object.keys(DIMENSIONS).map((name) => `\`${name}\``)

const question = (sites: ReadonlyArray<string>): { readonly [field: string]: Schema } => ({
  site: described(
    { ...text, ...(sites.length > 0 && { default: sites[0] }) },
    "A site, several with commas between them, or `all` that who asks may see; by default the first.",
  ),
  sites: described(
    { anyOf: [array(text, { minItems: 1 }), text] },
    "Several sites as one: a list of them, or the same text as in `site`.",
  ),
  metrics: described(
    array(text, { minItems: 1, maxItems: MAX_METRICS }),
    `${listed(METRICS)} \`sum(data.<key>)\`, \`avg\`, \`min\`, \`max\`: of the numbers under a key of event_data.`,
  ),
  dimensions: described(
    array(text, { maxItems: MAX_DIMENSIONS }),
    `What a row stands for: ${names.join(", ")}, \`data.<key>\`, or an interval of time: ${INTERVALS.map((each) => `\`time:${each}\``).join(", ")}.`,
  ),
  filters: described(
    array({}),
    "Conditions that all must hold: [operator, dimension, [values], {case_sensitive}] with is, is_not, contains, contains_not, matches, matches_not; [and | or, [filters]], [not, filter], [has_done | has_not_done, filter]; [is | is_not, goal, [names]] stands for the filters of goals.",
  ),
  date_range: described(
    { anyOf: [{ type: "string", enum: Object.keys(PRESETS) }, array(text, { minItems: 2, maxItems: 2 })] },
    `${listed(PRESETS)} Or two dates, both included, or two instants, the second excluded. Default: 7d.`,
  ),
  interval: described(
    { type: "string", enum: [...INTERVALS] },
    "Short for a first dimension `time:<interval>`.",
  ),
  time_zone: described(
    text,
    "Zone of days and intervals; by default that of its sites, or the deployment's where they have none in common.",
  ),
  compare: described(
    { type: "string", enum: [...COMPARISONS_IN_TIME] },
    "Each row has what it was in the time before, too; where the range goes on, as far as it has come.",
  ),
  bots: described(
    { type: "string", enum: [...BOTS], default: BOTS[0] },
    "Events of bots, and those that a site has had marked.",
  ),
  order_by: described(
    array({}),
    "Pairs of a metric or dimension, and asc or desc. Default: by the first metric, descending; by time, ascending.",
  ),
  limit: { type: "integer", minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
  offset: { type: "integer", minimum: 0, maximum: MAX_OFFSET, default: 0 },
})

const number = { type: ["number", "null"] } as const
const metrics = array(number)

/** An answer, under `data`. */
export const queryAnswer = shape({
  results: array({
    type: "object",
    properties: {
      dimensions: array(nullable(text)),
      metrics,
      comparison: shape({ metrics }),
    },
    required: ["dimensions", "metrics"],
    additionalProperties: false,
  }),
  meta: {
    type: "object",
    properties: {
      total_rows: count,
      ...told,
    },
    required: ["total_rows", "approximate"],
    additionalProperties: false,
  },
  query: {
    type: "object",
    description: "The question with every default made explicit; times as instants, the end excluded.",
    properties: { date_range: array(instant, { minItems: 2, maxItems: 2 }) },
  },
})

const valuesFields = {
  dimension: described(text, "Any dimension but time."),
  search: described(text, "Only values that contain this text, in any case."),
  prefix: described(text, "Only values that begin with this text, in any case."),
  limit: { type: "integer", minimum: 1, maximum: MAX_VALUES_LIMIT, default: DEFAULT_VALUES },
} as const

const values = shape({
  values: array(shape({ value: text, visitors: count })),
  meta: shape({ total_rows: count, notices: told.notices }, { required: ["total_rows"] }),
  query: { type: "object", description: "The question that it is, for `POST /query`." },
})

const funnelFields = {
  steps: described(
    array({}, { minItems: MIN_STEPS, maxItems: MAX_STEPS }),
    "A filter for each step, in order.",
  ),
  within: described(
    { anyOf: [{ const: "visit" }, matching(WITHIN)] },
    "All within one visit, or this long after the first step: 30 minutes, 12 hours, 7 days. Default: visit.",
  ),
} as const

const percentage = { type: "number", minimum: 0, maximum: 100 } as const

const funnel = shape({
  steps: array(
    shape({
      visitors: described(count, "Visitors who have taken this step after all before it."),
      drop_off: described(count, "Visitors of the step before who have not."),
      drop_off_rate: described(percentage, "Percentage of the step before."),
      conversion_rate: described(percentage, "Percentage of the first step."),
    }),
  ),
  meta: shape({ notices: told.notices }, { required: [] }),
  query: { type: "object", description: "The funnel with every default made explicit." },
})

/** A question's fields as parameters; those that are no single value are texts. */
const asParameters = (fields: ReturnType<typeof question>): ReadonlyArray<Parameter> =>
  Object.entries(fields).map(([name, { description = "", ...schema }]) =>
    query(
      name,
      ["type", "anyOf"].some((key) => Reflect.get(schema, key) === "array") ? text : schema,
      String(description),
    ),
  )

/** `GET /query.csv` and `GET /query.json`. */
export const questionDownloadPaths = (
  base: string,
  sites: ReadonlyArray<string>,
): { readonly [path: string]: PathItem } => {
  const most = { minimum: 1, maximum: MAX_DOWNLOAD_ROWS, default: MAX_DOWNLOAD_ROWS }
  const parameters = asParameters({ ...question(sites), limit: { type: "integer", ...most } })
  const row = { type: "object", additionalProperties: { type: ["string", "number", "null"] } } as const
  const content = {
    csv: { "text/csv": { schema: text } },
    json: { "application/json": { schema: array(row) } },
  }
  return Object.fromEntries(
    EXPORT_FORMATS.map((format) => [
      `${base}/query.${format}`,
      {
        get: {
          operationId: `download_query_${format}`,
          summary: `The answer to a question as a ${format.toUpperCase()} file`,
          tags: ["exports"],
          parameters: format === "csv" ? [...parameters, byteOrderMark] : parameters,
          responses: {
            200: {
              description: "A column for each dimension and metric.",
              headers: { "Content-Disposition": { required: true, schema: text } },
              content: content[format],
            },
            ...refusals([...QUERY_CODES, "INVALID_PARAMETER", "TOO_MANY_EXPORTS"]),
          },
        },
      },
    ]),
  )
}

const SUMMARIES = {
  values: "The values of a dimension, those of the most visitors first",
  funnel: "How many visitors take some steps in order",
} as const

/** `POST /query/values` and `POST /query/funnel`. */
export const otherQuestionPaths = (
  base: string,
  sites: ReadonlyArray<string>,
): { readonly [path: string]: PathItem } => {
  const { site, sites: several, filters, date_range, time_zone, bots } = question(sites)
  const shared = { site, sites: several, filters, date_range, time_zone, bots }
  const path = (
    kind: keyof typeof SUMMARIES,
    fields: { readonly [name: string]: Schema | undefined },
    required: string,
    data: Schema,
  ): PathItem => ({
    post: {
      operationId: `query_${kind}`,
      summary: SUMMARIES[kind],
      tags: ["figures"],
      responses: {
        200: { description: "The answer.", ...json(enveloped(data)) },
        ...refusals([...QUERY_CODES, ...BODY_CODES]),
      },
      requestBody: {
        required: true,
        ...json({
          type: "object",
          properties: { ...shared, ...fields },
          required: [required],
          additionalProperties: false,
        }),
      },
    },
  })
  return {
    [`${base}/query/values`]: path("values", valuesFields, "dimension", values),
    [`${base}/query/funnel`]: path("funnel", funnelFields, "steps", funnel),
  }
}

/** `POST /query`, and `GET` with the same fields as parameters. */
export const questionPath = (
  base: string,
  sites: ReadonlyArray<string>,
): { readonly [path: string]: PathItem } => {
  const fields = question(sites)
  const operation = (operationId: string, codes = QUERY_CODES): Operation => ({
    operationId,
    summary: "Any question to the events: metrics by dimensions, filtered, of any time",
    tags: ["figures"],
    responses: {
      200: { description: "The answer.", ...json(enveloped(queryAnswer)) },
      ...refusals(codes),
    },
  })
  return {
    [`${base}/query`]: {
      get: {
        ...operation("queryByParameters"),
        parameters: asParameters(fields),
      },
      post: {
        ...operation("query", [...QUERY_CODES, ...BODY_CODES]),
        requestBody: {
          required: true,
          ...json({ type: "object", properties: fields, required: ["metrics"], additionalProperties: false }),
        },
      },
    },
  }
}
