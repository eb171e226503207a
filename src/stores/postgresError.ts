/** How a call of the Postgres driver failed. */
import { CONNECTION, DEFECT, isDefect, StoreError } from "./errors.ts"
import { isSqlstate, meaningOf } from "./sqlstate.ts"

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null)

/** What a call threw, as a {@link StoreError}: an SQLSTATE is the server's, anything else the connection's, or a defect. */
export const postgresError = (operation: string, cause: unknown): StoreError => {
  const thrown: { readonly code?: unknown; readonly message?: unknown } =
    typeof cause === "object" && cause !== null ? cause : {}
  const code = isDefect(cause) ? DEFECT : (text(thrown.code) ?? CONNECTION)
  const meaning = isSqlstate(code) ? meaningOf(code) : null
  return new StoreError({
    store: "postgres",
    operation,
    unavailable: meaning === null ? code !== DEFECT : meaning !== "event" && meaning !== "operator",
    code,
    message: `Postgres: ${text(thrown.message) ?? code}`,
    cause,
  })
}
