/** Looks at Postgres before anything runs, as checkRedis.ts does at Redis: versions that cannot work stop the start, settings that endanger data warn. */

import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import { escapeIdentifier } from "pg"
import { parseDatabaseUrl, shownDatabaseUrl } from "../config/databaseUrl.ts"
import { Expected } from "../config/values.ts"
import type { StoreError } from "./errors.ts"
import type { Postgres } from "./postgres.ts"
import { OLDEST_VERSION } from "./postgresPool.ts"

/** A store that cannot be used, in one sentence that says what to do. */
export class UnusableStore extends TaggedError("UnusableStore")<{ readonly message: string }> {}

/** A setting of a store that endangers events which were acknowledged. */
export interface StoreWarning {
  /** A sentence for the operator: what is so, and what to set. */
  readonly text: string
  /** Whether an ordinary restart may already lose them, rather than a power failure that was reckoned with. */
  readonly grave: boolean
}

/** Says which server it is that cannot be used and why, without user and password. */
export const unusable = (setting: string, url: string, reason: string): UnusableStore => {
  const { protocol, host, pathname } = new URL(url)
  return new UnusableStore({
    message: `${setting} ${protocol}//${host}${pathname} cannot be used: ${reason.replace(/\.$/, "")}.`,
  })
}

/** Of a server whose CA is not among those that Node.js knows. */
const UNKNOWN_CA = [
  ...["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ...["UNABLE_TO_GET_ISSUER_CERT", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"],
]

/** Says why the server of a URL cannot be used, without user and password. */
const unusablePostgres = (url: string, reason: string): UnusableStore => {
  const address = parseDatabaseUrl(url)
  const shown = address instanceof Expected ? "" : ` ${shownDatabaseUrl(address)}`
  return new UnusableStore({ message: `DATABASE_URL${shown} cannot be used: ${reason.replace(/\.$/, "")}.` })
}

const reasonOf = ({ code, message }: StoreError): string => {
  const reason = message.replace(/^Postgres: /, "")
  if (UNKNOWN_CA.includes(code))
    return `${reason}; name the certificate of its CA with sslrootcert=/path/to/ca.pem`
  return code === WRONG_PASSWORD
    ? `${reason} (in a URL, a % of the password is written %25; PGPASSWORD takes a password as it is)`
    : reason
}

/** invalid_password */
const WRONG_PASSWORD = "28P01"

interface Facts {
  readonly version: string
  readonly version_num: number
  readonly fsync: string
  readonly synchronous_commit: string
  readonly read_only: string
  readonly encoding: string
  readonly role: string
  /** `null` when no schema of the search path is there, or may be used. */
  readonly schema: string | null
  readonly may_create: boolean | null
}

const SELECT_FACTS = `
  SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS version_num,
    current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('transaction_read_only') AS read_only, current_setting('server_encoding') AS encoding,
    current_user::text AS role, current_schema()::text AS schema,
    has_schema_privilege(current_schema(), 'CREATE') AS may_create`

/** Any text of an event can be stored in these; SQL_ASCII takes bytes as they come. */
const ENCODINGS = ["UTF8", "SQL_ASCII"]

/** Why tables could not be made or events not stored, `null` when they can. */
const refusalOf = (facts: Facts, wanted: string | null): string | null => {
  const { read_only, encoding, role, schema, may_create } = facts
  if (read_only === "on") return "it is read-only (default_transaction_read_only is on)"
  if (!ENCODINGS.includes(encoding))
    return `its encoding is ${encoding}, in which not every text can be stored; create the database with TEMPLATE template0 ENCODING 'UTF8'`
  const name = escapeIdentifier(role)
  if (schema === null)
    return wanted === null
      ? `none of the schemas in the search_path of ${role} is there for it; run CREATE SCHEMA AUTHORIZATION ${name}`
      : `there is no schema ${wanted} that ${role} may use; run CREATE SCHEMA ${escapeIdentifier(wanted)} AUTHORIZATION ${name}`
  if (may_create !== true)
    return `${role} may not create tables in the schema ${schema}; run CREATE SCHEMA AUTHORIZATION ${name} for one of its own, or GRANT CREATE ON SCHEMA ${escapeIdentifier(schema)} TO ${name}`
  return null
}

const warningsOf = (facts: Facts, unused: ReadonlyArray<string>): ReadonlyArray<StoreWarning> => [
  ...(["fsync", "synchronous_commit"] as const)
    .filter((setting) => facts[setting] === "off")
    .map((setting) => ({
      text: `PostgreSQL's ${setting} is off, so a crash may lose events that were applied: set ${setting} on.`,
      grave: true,
    })),
  ...(unused.length === 0
    ? []
    : [{ text: `DATABASE_URL has parameters that mean nothing here: ${unused.join(", ")}.`, grave: false }]),
]

/**
 * Checks that Postgres is new enough, takes writes, and lets this role make tables, and whether its settings make a commit durable.
 * Returns what endangers data.
 */
export const checkPostgres = (
  postgres: Postgres,
  url: string,
): Effect.Effect<
  { readonly server: string; readonly warnings: ReadonlyArray<StoreWarning> },
  UnusableStore
> =>
  Effect.gen(function* () {
    const address = parseDatabaseUrl(url)
    if (address instanceof Expected)
      return yield* new UnusableStore({ message: `DATABASE_URL should be ${address.what}.` })
    const [facts] = yield* postgres
      .query<Facts & Record<string, unknown>>("check", SELECT_FACTS)
      .pipe(Effect.mapError((error) => unusablePostgres(url, reasonOf(error))))
    if (facts === undefined || facts.version_num < OLDEST_VERSION)
      return yield* new UnusableStore({
        message: `DATABASE_URL is a PostgreSQL ${facts?.version ?? "of unknown version"}: PostgreSQL 15 or newer is needed.`,
      })
    const refusal = refusalOf(facts, address.schema)
    if (refusal !== null) return yield* unusablePostgres(url, refusal)
    return { server: `postgres ${facts.version}`, warnings: warningsOf(facts, address.unused) }
  })
