/** Checks a deployment's answers and frames against the OpenAPI document that it serves. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js"
import addFormats from "ajv-formats"

/** An answer as it was received. */
export interface Answer {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly status: number
  readonly headers: Headers
  /** Empty for HEAD. */
  readonly body: string
}

/** A documented operation. */
export interface DocumentedOperation {
  /** In upper case. */
  readonly method: string
  /** With its placeholders: `/visitors/{id}`. */
  readonly path: string
  readonly statuses: ReadonlyArray<string>
}

type Json = { readonly [key: string]: unknown }

const isJson = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const member = (value: unknown, name: string): Json => {
  const found = isJson(value) ? value[name] : undefined
  return isJson(found) ? found : {}
}

/** A JSON pointer within the document. */
const pointer = (...parts: ReadonlyArray<string>): string =>
  `#/${parts.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/")}`

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]

const told = (errors: ReadonlyArray<ErrorObject> | null | undefined): ReadonlyArray<string> =>
  (errors ?? []).map(({ instancePath, message }) => `${instancePath || "the body"} ${message ?? "is wrong"}`)

export class Contract {
  readonly operations: ReadonlyArray<DocumentedOperation>
  readonly #paths: Json
  readonly #ajv: Ajv2020
  readonly #validators = new Map<string, ValidateFunction>()

  /** Throws if this is not an OpenAPI document. */
  constructor(document: unknown) {
    if (!isJson(document) || !isJson(document.paths)) throw new Error("This is no OpenAPI document.")
    this.#paths = document.paths
    // The document has members besides schemas, which a strict validator would take for unknown keywords.
    this.#ajv = new Ajv2020({ strict: false, allErrors: false })
    addFormats.default(this.#ajv)
    this.#ajv.addSchema(document, "document")
    this.operations = Object.entries(document.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => isJson(item) && method in item).map((method) => ({
        method: method.toUpperCase(),
        path,
        statuses: Object.keys(member(member(item, method), "responses")),
      })),
    )
  }

  #validator(at: string): ValidateFunction {
    let validator = this.#validators.get(at)
    if (validator === undefined) {
      validator = this.#ajv.compile({ $ref: `document${at}` })
      this.#validators.set(at, validator)
    }
    return validator
  }

  #check(at: string, value: unknown): ReadonlyArray<string> {
    const validate = this.#validator(at)
    return validate(value) ? [] : told(validate.errors)
  }

  /** The documented path that matches a request's path, or `null`. */
  pathOf(path: string): string | null {
    if (path in this.#paths) return path
    const parts = path.split("/")
    const matches = (template: string) => {
      const expected = template.split("/")
      return (
        expected.length === parts.length &&
        expected.every((part, i) => part === parts[i] || /^\{\w+\}$/.test(part))
      )
    }
    return Object.keys(this.#paths).find(matches) ?? null
  }

  /** What in an answer is not as documented, one sentence each; empty if all of it is. */
  violations(answer: Answer): ReadonlyArray<string> {
    const path = this.pathOf(answer.path)
    if (path === null) return [`${answer.path} is not documented`]
    const item = member(this.#paths, path)
    const asked = answer.method === "HEAD" ? "get" : answer.method.toLowerCase()
    // Any operation of a path documents the refusal of methods that it does not have.
    const method = asked in item ? asked : (METHODS.find((each) => each in item) ?? asked)
    const status = String(answer.status)
    const response = member(member(member(item, method), "responses"), status)
    const at = ["paths", path, method, "responses", status]
    if (Object.keys(response).length === 0) return [`status ${status} is not documented`]
    return [...this.#headers(at, response, answer), ...this.#body(at, response, answer)]
  }

  #headers(at: ReadonlyArray<string>, response: Json, { headers }: Answer): ReadonlyArray<string> {
    const documented = member(response, "headers")
    return Object.keys(documented).flatMap((name) => {
      const header = member(documented, name)
      const value = headers.get(name)
      if (value === null) return header.required === true ? [`the header ${name} is missing`] : []
      const typed = member(header, "schema").type === "integer" ? Number(value) : value
      return this.#check(pointer(...at, "headers", name, "schema"), typed).map(
        (violation) => `the header ${name}: ${violation}`,
      )
    })
  }

  #body(at: ReadonlyArray<string>, response: Json, { method, headers, body }: Answer): ReadonlyArray<string> {
    const documented = member(response, "content")
    if (Object.keys(documented).length === 0) return []
    const type = (headers.get("content-type") ?? "").split(";", 1)[0]?.trim() ?? ""
    if (!(type in documented)) return [`the content type ${JSON.stringify(type)} is not documented`]
    if (method === "HEAD") return []
    let value: unknown = body
    if (type === "application/json")
      try {
        value = JSON.parse(body)
      } catch {
        return ["the body is no JSON"]
      }
    return this.#check(pointer(...at, "content", type, "schema"), value)
  }

  /** The same for a frame from the WebSocket. */
  frameViolations(frame: unknown): ReadonlyArray<string> {
    return this.#check(pointer("components", "schemas", "ServerFrame"), frame)
  }
}
