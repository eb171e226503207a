/** What an endpoint lists. */
import type { Is } from "../model/decode.ts"
import { read } from "../model/read.ts"
import type { Loaded } from "../model/state.ts"
import { useLoaded } from "../panels/loaded.ts"
import { useErased } from "./context.ts"

export interface Listed<A> {
  readonly part: Loaded<ReadonlyArray<A>>
  readonly again: () => void
}

interface Body<A> {
  readonly data: ReadonlyArray<A>
}

/** Reads a list, and again whenever it has been changed, or something was erased that may have been of it. */
export const useListed = <A>(
  endpoint: string,
  parameters: Readonly<Record<string, string | number | null>>,
  isBody: Is<Body<A>>,
): Listed<A> => {
  const [part, again] = useLoaded(
    JSON.stringify([endpoint, parameters]),
    async (signal) => (await read(endpoint, parameters, isBody, signal)).data,
  )
  useErased(again)
  return { part, again }
}
