/** The paths of users, keys, share links, and of logging in. */
import type { AuditRow, TokenInfo, UserRow } from "../../access/accounts.ts"
import { MAX_PASSWORD, MIN_PASSWORD } from "../../domain/limits.ts"
import { KEY_SCOPES, ROLES } from "../../domain/roles.ts"
import { AUDIT_LIMIT } from "../api/parameters.ts"
import type { ProblemCode } from "../http/problemCodes.ts"
import { ACCESS_CODES } from "../http/refusalCodes.ts"
import { json, type Operation, type Parameter, type PathItem, range } from "./operation.ts"
import { BODY_CODES, refusals } from "./problems.ts"
import { array, count, instant, nullable, type Schema, shape, text } from "./schema.ts"
import { enveloped } from "./shapes.ts"

const name: Schema = { type: "string", minLength: 1, maxLength: 100 }
const password: Schema = { type: "string", minLength: 1, maxLength: 200 }
const newPassword: Schema = { type: "string", minLength: MIN_PASSWORD, maxLength: MAX_PASSWORD }
const someSites: Schema = { ...nullable(array(text)), description: "Slugs; all sites if it is absent." }
const expiry: Schema = { ...nullable(text), description: "ISO 8601; never if it is absent." }
const role: Schema = { type: "string", enum: [...ROLES] }
const scopes: Schema = array({ type: "string", enum: [...KEY_SCOPES] }, { minItems: 1 })

const body = (properties: { readonly [field: string]: Schema }, optional: ReadonlyArray<string> = []) => ({
  required: true,
  ...json({
    type: "object",
    properties,
    required: Object.keys(properties).filter((field) => !optional.includes(field)),
  }),
})

const WITH_BODY: ReadonlyArray<ProblemCode> = [...BODY_CODES, "INVALID_FIELD", "STORE_UNAVAILABLE"]
const OF_PASSWORDS: ReadonlyArray<ProblemCode> = [...WITH_BODY, "WRONG_CREDENTIALS", "TOO_MANY_ATTEMPTS"]
const STORED: ReadonlyArray<ProblemCode> = [...ACCESS_CODES, "STORE_UNAVAILABLE"]

const NOTHING: Schema = { type: "null" }
const made = shape<{ id: number; token: string }>({ id: count, token: text })

const operation = (
  operationId: string,
  summary: string,
  data: Schema,
  codes: ReadonlyArray<ProblemCode>,
  more: { readonly requestBody?: object; readonly parameters?: ReadonlyArray<Parameter> } = {},
): Operation => ({
  ...{ operationId, summary, tags: ["access"], ...more },
  responses: { 200: { description: summary, ...json(enveloped(data)) }, ...refusals(codes) },
})

const ofId = (what: string): { readonly parameters: ReadonlyArray<Parameter> } => ({
  parameters: [{ name: "id", in: "path", required: true, schema: count, description: `The ${what}'s id.` }],
})

const token = shape<TokenInfo>({
  id: count,
  name: text,
  scopes: array(text),
  sites: nullable(array(text)),
  has_password: { type: "boolean" },
  embed_on: array(text),
  token: { ...nullable(text), description: "A share link's; a key's is told once." },
  created_at: instant,
  last_used_at: {
    ...nullable(instant),
    description: "Of a key: the minute in which it was last used. A share link's use is not kept.",
  },
  expires_at: nullable(instant),
})

const removal = (operationId: string, summary: string, what: string): Operation =>
  operation(operationId, summary, NOTHING, [...STORED, "NOT_FOUND"], ofId(what))

/** What anybody may send who knows a secret. */
const entrances = (base: string): { readonly [path: string]: PathItem } => ({
  [`${base}/login`]: {
    post: operation(
      "logIn",
      "Begin a session, kept in a cookie",
      NOTHING,
      [...OF_PASSWORDS, "ORIGIN_NOT_ALLOWED"],
      {
        requestBody: body({ name, password }),
      },
    ),
  },
  [`${base}/logout`]: {
    post: operation(
      "logOut",
      "End the session, or with `everywhere` every session of its user",
      NOTHING,
      [...WITH_BODY, "ORIGIN_NOT_ALLOWED"],
      { requestBody: body({ everywhere: { type: "boolean" } }, ["everywhere"]) },
    ),
  },
  [`${base}/password`]: {
    post: operation(
      "changePassword",
      "Change the password of who is logged in; every other session ends",
      NOTHING,
      [...OF_PASSWORDS, "UNAUTHORIZED", "ORIGIN_NOT_ALLOWED"],
      { requestBody: body({ password, new_password: newPassword }) },
    ),
  },
  [`${base}/setup`]: {
    post: operation(
      "setUp",
      "Make the first owner, with the token that the first start has printed",
      NOTHING,
      [...OF_PASSWORDS, "ORIGIN_NOT_ALLOWED"],
      { requestBody: body({ token: text, name, password: newPassword }) },
    ),
  },
  [`${base}/share`]: {
    post: operation(
      "openShare",
      "Open a share link with its password; the token is good for a day",
      shape<{ token: string }>({ token: text }),
      OF_PASSWORDS,
      { requestBody: body({ token: text, password }) },
    ),
  },
})

const userPaths = (base: string): { readonly [path: string]: PathItem } => ({
  [`${base}/users`]: {
    get: operation(
      "users",
      "Users, by name",
      array(
        shape<UserRow>({ id: count, name: text, role, sites: nullable(array(text)), created_at: instant }),
      ),
      STORED,
    ),
    post: operation(
      "addUser",
      "Add a user",
      shape<{ id: number }>({ id: count }),
      [...ACCESS_CODES, ...WITH_BODY, "CONFLICT"],
      {
        requestBody: body({ name, password: newPassword, role, sites: someSites }, ["sites"]),
      },
    ),
  },
  [`${base}/users/{id}`]: {
    patch: operation(
      "changeUser",
      "Change a user's role, sites (`null` for all), or password, which ends their sessions",
      NOTHING,
      [...ACCESS_CODES, ...WITH_BODY, "NOT_FOUND", "CONFLICT"],
      {
        ...ofId("user"),
        requestBody: body({ role, sites: someSites, password: newPassword }, ["role", "sites", "password"]),
      },
    ),
    delete: operation(
      "removeUser",
      "Remove a user, and end their sessions",
      NOTHING,
      [...STORED, "NOT_FOUND", "CONFLICT"],
      ofId("user"),
    ),
  },
})

export const accountPaths = (base: string): { readonly [path: string]: PathItem } => ({
  ...entrances(base),
  ...userPaths(base),
  [`${base}/keys`]: {
    get: operation("keys", "API keys", array(token), STORED),
    post: operation(
      "addKey",
      "Make an API key; its token is told this once",
      made,
      [...ACCESS_CODES, ...WITH_BODY, "CONFLICT"],
      {
        requestBody: body({ name, scopes, sites: someSites, expires_at: expiry }, ["sites", "expires_at"]),
      },
    ),
  },
  [`${base}/keys/{id}`]: { delete: removal("revokeKey", "Revoke an API key", "key") },
  [`${base}/shares`]: {
    get: operation("shares", "Share links", array(token), STORED),
    post: operation(
      "addShare",
      "Make a share link of a site",
      made,
      [...ACCESS_CODES, ...WITH_BODY, "CONFLICT"],
      {
        requestBody: body(
          { name, site: text, password: nullable(newPassword), embed_on: array(text), expires_at: expiry },
          ["password", "embed_on", "expires_at"],
        ),
      },
    ),
  },
  [`${base}/shares/{id}`]: { delete: removal("revokeShare", "Revoke a share link", "link") },
  [`${base}/audit`]: {
    get: operation(
      "audit",
      "What was done with access, newest first",
      array(shape<AuditRow>({ at: instant, who: text, action: text, what: text })),
      [...STORED, "INVALID_PARAMETER"],
      { parameters: [range("limit", AUDIT_LIMIT, "Number of lines.")] },
    ),
  },
})
