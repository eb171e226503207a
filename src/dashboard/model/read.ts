/** Reads answers of the API. */
import { API_PATH } from "../../domain/paths.ts"
import { type Is, isRefusal } from "./decode.ts"

/** A read that the server refused or that did not reach it. */
export class ReadFailure extends Error {
  /** The answer's `code`; `OFFLINE` without an answer, `UNKNOWN` for one that says neither what was asked nor why not. */
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Milliseconds after which a read is given up. */
const READ_TIMEOUT_MS = 20_000

/**
 * GETs an endpoint of the API and returns the body, which `isBody` checks. Rejects with a {@link ReadFailure}, or as `signal`
 * says when that aborts it.
 */
export const read = async <A>(
  endpoint: string,
  parameters: Readonly<Record<string, string | number | null>>,
  isBody: Is<A>,
  signal: AbortSignal,
): Promise<A> => {
  const url = new URL(`.${API_PATH}/${endpoint}`, location.href)
  for (const [name, value] of Object.entries(parameters))
    if (value !== null) url.searchParams.set(name, String(value))
  let body: unknown
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(READ_TIMEOUT_MS)])
    body = await (await fetch(url, { signal: limit })).json()
  } catch (cause) {
    signal.throwIfAborted()
    throw new ReadFailure("OFFLINE", String(cause))
  }
  if (isBody(body)) return body
  throw isRefusal(body)
    ? new ReadFailure(body.code, body.error)
    : new ReadFailure("UNKNOWN", `${endpoint} is answered in an unknown form`)
}
