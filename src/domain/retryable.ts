/** What may be sent again, for the API's description and for all that send. The SDK and the tracker are held to it by tests. */

/** Codes of events in a batch that are refused for now, while others of the batch were taken. */
export const RETRYABLE_CODES = ["RATE_LIMITED", "BACKLOG_FULL", "STREAM_UNAVAILABLE"] as const

const RETRYABLE: ReadonlySet<string> = new Set(RETRYABLE_CODES)

/** Whether an event that a batch's answer lists with this code may be sent again. */
export const isRetryable = (code: string): boolean => RETRYABLE.has(code)
