/** Erasures: each goes on whatever is open of the settings meanwhile, and its receipt stands above that. */
import { useEffect, useState } from "preact/hooks"
import type { SiteReceipt, VisitorReceipt } from "../../domain/answers.ts"
import type { Is } from "../model/decode.ts"
import { remove } from "../model/read.ts"
import { type Action, useAction } from "./listed.ts"

export type Erased = SiteReceipt | VisitorReceipt

/** Milliseconds that an erasure may take: millions of events are some seconds. */
const ERASE_MS = 10 * 60_000

/** Erases what an endpoint of the API names. */
export const erase = <A>(endpoint: string, isBody: Is<A>, signal: AbortSignal): Promise<A> =>
  remove(endpoint, isBody, signal, ERASE_MS)

export interface Erasing {
  /** The endpoint of what is being erased; `null` for nothing. */
  readonly under: string | null
  /** What erases an endpoint's: one at a time, so it is busy while any is erased. */
  readonly actionOf: (endpoint: string) => Action
  /** The receipt of the last one, until it is closed. */
  readonly receipt: Erased | null
  readonly tell: (receipt: Erased) => void
  readonly close: () => void
}

/** Erasures for as long as the settings are open; `onErased` hears of each. */
export const useErasing = (onErased: (erased: Erased) => void): Erasing => {
  const action = useAction()
  const [last, begin] = useState<string | null>(null)
  const [receipt, set] = useState<Erased | null>(null)
  const { busy } = action
  // Who leaves does not see the receipt.
  useEffect(() => {
    if (!busy) return
    const ask = (event: BeforeUnloadEvent) => event.preventDefault()
    window.addEventListener("beforeunload", ask)
    return () => window.removeEventListener("beforeunload", ask)
  }, [busy])
  const actionOf = (endpoint: string): Action => ({
    busy,
    failure: last === endpoint ? action.failure : null,
    run: (act) => {
      if (busy) return
      begin(endpoint)
      action.run(act)
    },
  })
  const tell = (erased: Erased) => {
    set(erased)
    onErased(erased)
  }
  return { under: busy ? last : null, actionOf, receipt, tell, close: () => set(null) }
}
