/** Erasures: each goes on whatever is open of the settings meanwhile, and its receipt stands above that. */
import { useEffect, useState } from "preact/hooks"
import type { SiteReceipt, VisitorReceipt } from "../../domain/answers.ts"
import type { Is } from "../model/decode.ts"
import { remove } from "../model/read.ts"
import type { ReadFailure } from "../model/readFailure.ts"
import { type Action, failureOf, useAction } from "./action.ts"

export type Erased = SiteReceipt | VisitorReceipt

/** What may be erased: a site by its short name, a visitor by their id. */
export interface Erasable {
  readonly kind: "site" | "visitor"
  readonly name: string
}

/** An erasure that has failed. */
export interface NotErased extends Erasable {
  readonly failure: ReadFailure
}

/** Milliseconds that an erasure may take: millions of events are some seconds. */
const ERASE_MS = 10 * 60_000

/** Erases what an endpoint of the API names. */
export const erase = <A>(endpoint: string, isBody: Is<A>, signal: AbortSignal): Promise<A> =>
  remove(endpoint, isBody, signal, ERASE_MS)

export interface Erasing {
  /** What is being erased; `null` for nothing. */
  readonly under: Erasable | null
  /** What erases something: one at a time, so it is busy while anything is erased. Its failure is told where its receipt would be. */
  readonly actionOf: (what: Erasable) => Action
  /** The last one, if it has failed, until that is closed. */
  readonly failed: NotErased | null
  readonly dismiss: () => void
  /** The receipt of the last one, until it is closed. */
  readonly receipt: Erased | null
  readonly tell: (receipt: Erased) => void
  readonly close: () => void
}

/** Whether it is that site which is being erased. */
export const isErasing = ({ under }: Erasing, site: string): boolean =>
  under?.kind === "site" && under.name === site

/** Erasures for as long as the settings are open; `onErased` hears of each. */
export const useErasing = (onErased: (erased: Erased) => void): Erasing => {
  const action = useAction()
  const [last, begin] = useState<Erasable | null>(null)
  const [failed, fail] = useState<NotErased | null>(null)
  const [receipt, set] = useState<Erased | null>(null)
  const { busy } = action
  // Who leaves does not see the receipt.
  useEffect(() => {
    if (!busy) return
    const ask = (event: BeforeUnloadEvent) => event.preventDefault()
    window.addEventListener("beforeunload", ask)
    return () => window.removeEventListener("beforeunload", ask)
  }, [busy])
  const actionOf = (what: Erasable): Action => ({
    busy,
    failure: null,
    run: (act) => {
      if (busy) return
      begin(what)
      fail(null)
      action.run((signal) =>
        act(signal).catch((cause: unknown) => fail({ ...what, failure: failureOf(cause) })),
      )
    },
  })
  const tell = (erased: Erased) => {
    set(erased)
    onErased(erased)
  }
  return {
    ...{ under: busy ? last : null, actionOf },
    ...{ failed, dismiss: () => fail(null) },
    ...{ receipt, tell, close: () => set(null) },
  }
}
