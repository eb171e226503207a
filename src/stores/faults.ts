/** What should not happen, for the log. */
import type { syncLog } from "../runtime/logging.ts"
import { StoreError } from "./errors.ts"

/** Where a fault comes from: what was thrown within a store's call, if that is what has failed. */
export const stackOf = (fault: unknown): string => {
  const thrown = fault instanceof StoreError ? (fault.cause ?? fault) : fault
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
}

/** Logs why a request has failed for a reason of the server's own. */
export const logFault =
  (log: ReturnType<typeof syncLog>) =>
  (cause: unknown): void =>
    log("request failed: internal error", { error: stackOf(cause) })
