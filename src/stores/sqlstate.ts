/**
 * What an SQLSTATE means here, by its class (the first two characters) or as a whole
 * (https://www.postgresql.org/docs/current/errcodes-appendix.html).
 */

export type Meaning =
  /** Nothing is wrong with the statement: it may succeed later. */
  | "unavailable"
  /** The same: others hold a lock that it needs. */
  | "lock"
  /** The same: no table takes the row, because its day's was dropped since; the next try makes that again. */
  | "no-day-table"
  /** What the statement brings is what Postgres cannot take. */
  | "event"
  /** Somebody has to mend something, be it a grant or this program. */
  | "operator"

type Row = readonly [name: string, meaning: Meaning]

export const CLASSES: { readonly [sqlstateClass: string]: Row } = {
  "08": ["connection_exception", "unavailable"],
  "22": ["data_exception", "event"],
  "23": ["integrity_constraint_violation", "event"],
  // Read-only after a failover, or a transaction that the server gave up.
  "25": ["invalid_transaction_state", "unavailable"],
  "40": ["transaction_rollback", "unavailable"],
  "53": ["insufficient_resources", "unavailable"],
  "54": ["program_limit_exceeded", "event"],
  // A shutdown, a crash, a statement that took too long.
  "57": ["operator_intervention", "unavailable"],
  "58": ["system_error", "unavailable"],
}

/** Those that mean something else than their class. */
export const CODES: { readonly [sqlstate: string]: Row } = {
  "23514": ["check_violation", "no-day-table"],
  // A session of the server that is not the one a statement was prepared in: somebody has put a pooler in between meanwhile.
  "26000": ["invalid_sql_statement_name", "unavailable"],
  // While an operator changes the password, or restores the database.
  "28000": ["invalid_authorization_specification", "unavailable"],
  "28P01": ["invalid_password", "unavailable"],
  "3D000": ["invalid_catalog_name", "unavailable"],
  "40P01": ["deadlock_detected", "lock"],
  "42P05": ["duplicate_prepared_statement", "unavailable"],
  "55006": ["object_in_use", "unavailable"],
  "55P03": ["lock_not_available", "lock"],
  XX000: ["internal_error", "unavailable"],
  XX001: ["data_corrupted", "unavailable"],
  XX002: ["index_corrupted", "unavailable"],
}

/** What a code means; `operator` when it is in neither table. */
export const meaningOf = (sqlstate: string): Meaning =>
  (CODES[sqlstate] ?? CLASSES[sqlstate.slice(0, 2)])?.[1] ?? "operator"

/** Whether a text is an SQLSTATE: `EPIPE` and other codes of the system are as long, but no class begins like them. */
export const isSqlstate = (text: string): boolean => /^[0-9FHPX][0-9A-Z]{4}$/.test(text)
