/** Reads answers of the API. */
import { API_PATH } from "../../domain/paths.ts"
import { type Is, isRefusal } from "./decode.ts"
import { urlBelow } from "./place.ts"
import { ReadFailure } from "./readFailure.ts"
import { shareHeaders } from "./share.ts"

/** Milliseconds after which a read is given up. */
const READ_TIMEOUT_MS = 20_000

/** The address of an endpoint of the API. */
export const endpointUrl = (endpoint: string): URL => urlBelow(`${API_PATH.slice(1)}/${endpoint}`)

/** Fetches what `take` takes of an answer. Rejects with a {@link ReadFailure}, or as `signal` says when that aborts it. */
const taken = async <A>(
  url: URL,
  init: RequestInit,
  take: (answer: Response) => Promise<A>,
  signal: AbortSignal,
  timeoutMs = READ_TIMEOUT_MS,
): Promise<A> => {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const headers = { ...init.headers, ...shareHeaders() }
    return await take(await fetch(url, { ...init, headers, signal: limit }))
  } catch (cause) {
    signal.throwIfAborted()
    throw new ReadFailure("OFFLINE", String(cause))
  }
}

const unknownForm = (url: URL): ReadFailure =>
  new ReadFailure("UNKNOWN", `${url.pathname} is answered in an unknown form`)

/** Fetches a body, which `isBody` checks; rejects as {@link taken} does. */
const fetched = async <A>(
  url: URL,
  init: RequestInit,
  isBody: Is<A>,
  signal: AbortSignal,
  timeoutMs?: number,
): Promise<A> => {
  const body: unknown = await taken(url, init, (answer) => answer.json(), signal, timeoutMs)
  if (isBody(body)) return body
  throw isRefusal(body) ? new ReadFailure(body.code, body.error) : unknownForm(url)
}

/** GETs a file of the page, which `isFile` checks; rejects as {@link taken} does. */
export const readFile = async (
  url: URL,
  isFile: (text: string) => boolean,
  signal: AbortSignal,
): Promise<string> => {
  const text = await taken(url, {}, async (answer) => (answer.ok ? answer.text() : ""), signal)
  if (isFile(text)) return text
  throw unknownForm(url)
}

/** GETs an endpoint of the API and returns the body, which `isBody` checks; rejects as {@link fetched} does. */
export const read = async <A>(
  endpoint: string,
  parameters: Readonly<Record<string, string | number | null>>,
  isBody: Is<A>,
  signal: AbortSignal,
): Promise<A> => {
  const url = endpointUrl(endpoint)
  for (const [name, value] of Object.entries(parameters))
    if (value !== null) url.searchParams.set(name, String(value))
  return fetched(url, {}, isBody, signal)
}

/** Sends a body to an endpoint of the API, and returns the answer's. */
const sent = async <A>(
  method: string,
  endpoint: string,
  body: unknown,
  isBody: Is<A>,
  signal: AbortSignal,
): Promise<A> =>
  fetched(
    endpointUrl(endpoint),
    { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) },
    isBody,
    signal,
  )

/** POSTs a body to an endpoint of the API, and returns the answer's. */
export const post = async <A>(
  endpoint: string,
  body: unknown,
  isBody: Is<A>,
  signal: AbortSignal,
): Promise<A> => sent("POST", endpoint, body, isBody, signal)

/** PATCHes what an endpoint of the API names. */
export const patch = async <A>(
  endpoint: string,
  body: unknown,
  isBody: Is<A>,
  signal: AbortSignal,
): Promise<A> => sent("PATCH", endpoint, body, isBody, signal)

/** DELETEs what an endpoint of the API names. */
export const remove = async <A>(
  endpoint: string,
  isBody: Is<A>,
  signal: AbortSignal,
  timeoutMs?: number,
): Promise<A> => fetched(endpointUrl(endpoint), { method: "DELETE" }, isBody, signal, timeoutMs)
