/**
 * The reference tables of docs/api.md, generated from the OpenAPI document that nodes serve: `node scripts/apiTables.ts`
 * prints them, `--write` puts them between the markers of the document.
 */
import { API_PATH } from "../src/domain/paths.ts"
import { PROBLEMS } from "../src/server/http/problemCodes.ts"
import { MAX_INTEGER } from "../src/server/http/query.ts"
import { type Operation, openApiDocument, type Parameter } from "../src/server/openapi/document.ts"
import { eventSchema } from "../src/server/openapi/ingestion.ts"
import { markdownTable, printOrWrite } from "./marked.ts"

const API = new URL("../docs/api.md", import.meta.url)

const code = (value: unknown): string => `\`${String(value)}\``

interface Listed {
  readonly path: string
  readonly method: string
  readonly operation: Operation
}

const operations = (): ReadonlyArray<Listed> => {
  const { paths } = openApiDocument({ sites: ["main"] })
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      path: path.replace(API_PATH, ""),
      method: method.toUpperCase(),
      operation,
    })),
  )
}

/** Operations with these tags, in the order of the document. */
const endpoints = (...tags: ReadonlyArray<string>): string =>
  markdownTable(
    ["endpoint", "what it is"],
    operations()
      .filter(({ operation }) => operation.tags.some((tag) => tags.includes(tag)))
      .map(({ path, method, operation }) => [code(`${method} ${path}`), `${operation.summary}.`]),
  )

/** The values that a parameter accepts: a range of integers, a list of words, or any text. */
const values = ({ schema }: Parameter): string => {
  if (Array.isArray(schema.enum)) return schema.enum.map(code).join(", ")
  if (schema.type !== "integer") return "text"
  return schema.maximum === MAX_INTEGER ? `${schema.minimum} or more` : `${schema.minimum}–${schema.maximum}`
}

const parameters = (): string =>
  markdownTable(
    ["endpoint", "parameter", "values", "default", "meaning"],
    operations()
      .filter(({ operation }) => operation.tags.some((tag) => ["figures", "exports"].includes(tag)))
      // They take what `/query` takes.
      .filter(({ path }) => !path.startsWith("/query."))
      .flatMap(({ path, operation }) =>
        (operation.parameters ?? [])
          .filter(({ name }) => name !== "site")
          .map((parameter) => [
            code(path),
            code(parameter.name),
            values(parameter),
            parameter.schema.default === undefined ? "" : code(parameter.schema.default),
            parameter.description ?? "",
          ]),
      ),
  )

const isDescribed = (value: unknown): value is { readonly description: string } =>
  typeof value === "object" &&
  value !== null &&
  "description" in value &&
  typeof value.description === "string"

const eventFields = (): string => {
  const { properties } = eventSchema(["main"])
  return markdownTable(
    ["field", "value"],
    Object.entries(properties ?? {}).map(([name, schema]: [string, unknown]) => [
      code(name),
      isDescribed(schema) ? schema.description : "",
    ]),
  )
}

const errors = (): string =>
  markdownTable(
    ["code", "status", "meaning"],
    Object.entries(PROBLEMS)
      .map(([name, { status, meaning }]) => [code(name), status.slice(0, 3), meaning])
      .sort(([, a = ""], [, b = ""]) => a.localeCompare(b)),
  )

/** Every table, by the name of its markers. */
export const apiTables = (): { readonly [name: string]: string } => ({
  "api-events": endpoints("events"),
  "api-event-fields": eventFields(),
  "api-figures": endpoints("figures"),
  "api-access": endpoints("access"),
  "api-parameters": parameters(),
  "api-exports": endpoints("exports"),
  "api-administration": endpoints("administration"),
  "api-operations": endpoints("operations", "live", "pages"),
  "api-errors": errors(),
})

if (import.meta.main) printOrWrite(API, apiTables())
