/** Requests to the deployment that is being checked. */
import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type { Answer } from "./contract.ts"

/** The deployment did not answer at all. */
export class NoAnswer extends TaggedError("NoAnswer")<{ readonly message: string }> {}

/** An answer, with the time until the last byte that was read. */
export interface TimedAnswer extends Answer {
  readonly milliseconds: number
}

export interface Deployment {
  /** Its base URL, without a trailing slash. */
  readonly url: string
  /** Milliseconds that one request or wait may take. */
  readonly timeoutMs: number
  readonly adminToken: string | null
  /** Shows figures where they are not for everybody. */
  readonly readKey?: string | null
  readonly metricsToken?: string | null
  /** Lifts the rate limit for the doctor's events. */
  readonly writeKey: string | null
}

/** A CSV can be of any length; this much is enough to check its shape. */
const MAX_CSV_BYTES = 64 * 1024

const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error && cause.cause.message !== "" ? cause.cause.message : cause.message
}

const bodyOf = async (response: Response): Promise<string> => {
  if (!response.headers.get("content-type")?.startsWith("text/csv")) return await response.text()
  const decoder = new TextDecoder()
  let text = ""
  for await (const part of response.body ?? []) {
    text += decoder.decode(part, { stream: true })
    if (text.length > MAX_CSV_BYTES) break
  }
  return text
}

/** What a read needs where figures are not for everybody. */
export const accessOf = (
  { adminToken, readKey = null, metricsToken = null }: Deployment,
  path: string,
): { readonly [name: string]: string } => {
  const token = (path === "/metrics" ? metricsToken : null) ?? adminToken ?? readKey
  return token === null ? {} : { Authorization: `Bearer ${token}` }
}

/** Sends one request. Any status is an answer; fails if there is none in time. */
export const ask = (
  deployment: Deployment,
  path: string,
  init: RequestInit = {},
): Effect.Effect<TimedAnswer, NoAnswer> =>
  Effect.tryPromise({
    try: async () => {
      const { url, timeoutMs } = deployment
      const begun = performance.now()
      const response = await fetch(`${url}${path}`, {
        redirect: "manual",
        ...(init.method === undefined && { headers: accessOf(deployment, path) }),
        ...init,
        signal: AbortSignal.timeout(timeoutMs),
      })
      const body = await bodyOf(response)
      return {
        method: init.method ?? "GET",
        path: path.split("?", 1)[0] ?? path,
        status: response.status,
        headers: response.headers,
        body,
        milliseconds: performance.now() - begun,
      }
    },
    catch: (cause) =>
      new NoAnswer({ message: `${deployment.url}${path} does not answer: ${reasonOf(cause)}` }),
  })

/** Describes an unexpected answer: its code and sentence, or its status. */
export const said = ({ status, body }: Answer): string => {
  const told = parsed(body)
  return "code" in told && "error" in told ? `${status} ${told.code}: ${told.error}` : `status ${status}`
}

/** The members of a JSON object; empty for anything else. */
export const parsed = (body: string): { readonly [key: string]: unknown } => {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

/** The `data` of a successful answer. */
export const dataOf = (body: string): { readonly [key: string]: unknown } => {
  const { data } = parsed(body)
  return typeof data === "object" && data !== null ? { ...data } : {}
}
