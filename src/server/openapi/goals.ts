/** The paths of goals. */
import type { GoalRow } from "../../goals/goals.ts"
import { MAX_GOAL_NAME } from "../api/goals.ts"
import type { ProblemCode } from "../http/problemCodes.ts"
import { ACCESS_CODES } from "../http/refusalCodes.ts"
import { json, type Operation, type Parameter, type PathItem, siteSlug, sitesOf } from "./operation.ts"
import { BODY_CODES, READ_CODES, refusals } from "./problems.ts"
import { array, count, instant, type Schema, shape, text } from "./schema.ts"
import { enveloped } from "./shapes.ts"

const name: Schema = { type: "string", minLength: 1, maxLength: MAX_GOAL_NAME }
const filters: Schema = {
  ...array({}, { minItems: 1 }),
  description: "As `filters` of `POST /query`: conditions that all must hold. None of them is on a goal.",
}

const ofId: Parameter = {
  ...{ name: "id", in: "path", required: true },
  ...{ schema: count, description: "The goal's id." },
}

const operation = (
  operationId: string,
  summary: string,
  data: Schema,
  codes: ReadonlyArray<ProblemCode>,
  more: Partial<Operation> = {},
): Operation => ({
  ...{ operationId, summary, tags: ["figures"], ...more },
  responses: { 200: { description: summary, ...json(enveloped(data)) }, ...refusals(codes) },
})

/** `GET /goals`, `POST /goals`, `PATCH /goals/{id}` and `DELETE /goals/{id}`. */
export const goalPaths = (
  base: string,
  sites: ReadonlyArray<string>,
): { readonly [path: string]: PathItem } => ({
  [`${base}/goals`]: {
    get: operation(
      "goals",
      "The goals of a site, or those that several have alike, the oldest first",
      array(shape<GoalRow>({ id: count, site: text, name: text, filters, created_at: instant })),
      READ_CODES,
      { parameters: [sitesOf(sites)] },
    ),
    post: operation(
      "addGoal",
      "Make a goal of a site: filters with a name, by which questions have them",
      shape<{ id: number }>({ id: count }),
      [...ACCESS_CODES, ...BODY_CODES, "INVALID_FIELD", "CONFLICT", "STORE_UNAVAILABLE"],
      {
        requestBody: {
          required: true,
          ...json({
            type: "object",
            properties: { site: siteSlug(sites), name, filters },
            required: ["name", "filters"],
          }),
        },
      },
    ),
  },
  [`${base}/goals/{id}`]: {
    patch: operation(
      "changeGoal",
      "Give a goal another name, or other filters",
      { type: "null" },
      [...ACCESS_CODES, ...BODY_CODES, "INVALID_FIELD", "NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE"],
      {
        parameters: [ofId],
        requestBody: {
          required: true,
          ...json({ type: "object", properties: { name, filters } }),
        },
      },
    ),
    delete: operation(
      "removeGoal",
      "Remove a goal",
      { type: "null" },
      [...ACCESS_CODES, "NOT_FOUND", "STORE_UNAVAILABLE"],
      {
        parameters: [ofId],
      },
    ),
  },
})
