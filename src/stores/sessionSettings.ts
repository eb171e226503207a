/**
 * What each session of Postgres is told before it is used, because a server, a database or a role may have its own idea of it:
 * settings that change what a statement means, how its answer reads, when it is given up, or whether it is compiled first.
 * (https://www.postgresql.org/docs/current/runtime-config-client.html and …/runtime-config-compatible.html)
 */

import { escapeIdentifier } from "pg"

/** When the server gives up, milliseconds; 0 for never. */
export interface ServerTimeouts {
  /** A statement that has not ended. */
  readonly statementMs: number
  /** A transaction whose client does not go on. */
  readonly idleTransactionMs: number
}

export interface SessionSettings extends ServerTimeouts {
  /** Where tables are looked for and made; `null` leaves it to the server. */
  readonly schema: string | null
}

/** Names and values, as SQL. */
const ALWAYS: ReadonlyArray<readonly [name: string, value: string]> = [
  // How answers read. Their encoding is the driver's to ask for.
  ["DateStyle", "'ISO, YMD'"],
  ["IntervalStyle", "'postgres'"],
  ["TimeZone", "'UTC'"],
  ["bytea_output", "'hex'"],
  ["extra_float_digits", "1"],
  // What a statement means.
  ["standard_conforming_strings", "on"],
  ["array_nulls", "on"],
  ["transform_null_equals", "off"],
  ["quote_all_identifiers", "off"],
  ["default_transaction_isolation", "'read committed'"],
  ["default_transaction_deferrable", "off"],
  // Rows that a policy hides would be missing from figures without a word; now the statement fails.
  ["row_security", "off"],
  ["lock_timeout", "0"],
  ["idle_session_timeout", "0"],
  // What a statement takes besides its work: each reads a few tables of chunks, in milliseconds, and compiling it takes seconds where
  // the planner thinks it costly, as it does with a role that has some of its ways switched off.
  ["jit", "off"],
]

/** Since PostgreSQL 17. */
const TRANSACTION_TIMEOUT = { name: "transaction_timeout", since: 170_000 }

/**
 * SQL that sets them, for the rest of the session or of the transaction. `version` is the server's `server_version_num`. It takes no
 * snapshot, so a transaction may begin with it.
 */
export const setAll = (
  span: "SESSION" | "LOCAL",
  version: number,
  { statementMs, idleTransactionMs, schema }: SessionSettings,
): string =>
  [
    // First: a role may have too little time even for the rest.
    ["statement_timeout", String(statementMs)],
    ["idle_in_transaction_session_timeout", String(idleTransactionMs)],
    ...(version >= TRANSACTION_TIMEOUT.since ? [[TRANSACTION_TIMEOUT.name, "0"]] : []),
    ...ALWAYS,
    ...(schema === null ? [] : [["search_path", escapeIdentifier(schema)]]),
  ]
    .map(([name, value]) => `SET ${span} ${name} = ${value}`)
    .join("; ")
