/** What the reader may do. */
import { createContext } from "preact"
import { useEffect, useState } from "preact/hooks"
import { RETRY_MS } from "../model/asking.ts"
import { type Access, isAccessAnswer } from "../model/decode.ts"
import { read } from "../model/read.ts"
import { failureCode } from "../model/readFailure.ts"
import { shareToken } from "../model/share.ts"
import { type Loaded, NOTHING } from "../model/state.ts"

/** Somebody of whom no more is known, or who has a link: they may look at most. */
export const READER: Access = { name: null, login: null, may: [], own: [], default: null, exposed: false }

/** What the reader may do; that of nobody while it is not known. */
export const AccessContext = createContext<Access>(READER)

/** Whether there are settings for a reader. */
export const hasSettings = ({ login, may }: Access): boolean =>
  login === "session" || may.includes("write") || may.includes("admin")

/** Whether a reader may change what belongs to one of the sites. */
export const mayChange = ({ may, own }: Access, sites: ReadonlyArray<string>): boolean =>
  may.includes("write") && sites.some((site) => own.includes(site))

/** Whether a reader might log in: one that is known, and has not. */
export const isStranger = (access: Access): boolean => access !== READER && access.login === null

/**
 * Reads what the reader may do.
 *
 * @param change another one whenever the sites have changed; then it is read again, and what was known stays until then
 */
export const useAccess = (change: number): Loaded<Access> => {
  const [access, set] = useState<Loaded<Access>>(NOTHING)
  useEffect(() => {
    // A share link shows figures.
    if (shareToken() !== null) return set({ data: READER, loading: false, failure: null })
    const reading = new AbortController()
    let retry: ReturnType<typeof setTimeout> | undefined
    const load = () =>
      read("access", {}, isAccessAnswer, reading.signal).then(
        ({ data }) => set({ data, loading: false, failure: null }),
        (cause: unknown) => {
          if (reading.signal.aborted) return
          set(({ data }) => ({ data, loading: false, failure: failureCode(cause) }))
          retry = setTimeout(load, RETRY_MS)
        },
      )
    void load()
    return () => {
      clearTimeout(retry)
      reading.abort()
    }
  }, [change])
  return access
}
