/** What may be sent again, for the API's description and for every sender. Tests hold the SDK and the tracker to it. */

/** Codes with which single events of an accepted batch are refused for now. */
export const RETRYABLE_CODES = ["RATE_LIMITED", "BACKLOG_FULL", "STREAM_UNAVAILABLE"] as const

const RETRYABLE: ReadonlySet<string> = new Set(RETRYABLE_CODES)

/** Whether an event that a batch's answer lists with this code may be sent again. */
export const isRetryable = (code: string): boolean => RETRYABLE.has(code)
