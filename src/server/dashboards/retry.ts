/** When figures and questions are asked for again that got no answer. */
import type { Problem } from "../http/problem.ts"

/** Milliseconds until then: whatever keeps answers back is not to be kept busy by it. */
export const RETRY_MS = 10_000

/** Whether there may be an answer then, though nothing else has happened. */
export const mayPass = ({ code }: Pick<Problem, "code">): boolean => code !== "INVALID_QUERY"
