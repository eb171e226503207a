/** What the reader does. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks"
import { ReadFailure } from "../model/readFailure.ts"

/** What something has failed with. */
export const failureOf = (cause: unknown): ReadFailure =>
  cause instanceof ReadFailure ? cause : new ReadFailure("UNKNOWN", String(cause))

export interface Action {
  readonly busy: boolean
  /** Why the last try has failed. */
  readonly failure: ReadFailure | null
  /** Does something, unless it is being done. */
  readonly run: (act: (signal: AbortSignal) => Promise<void>) => void
}

/** Something that the reader does, and why it has failed. */
export const useAction = (): Action => {
  const [state, set] = useState<Omit<Action, "run">>({ busy: false, failure: null })
  const [left] = useState(() => new AbortController())
  const under = useRef(false)
  useEffect(() => () => left.abort(), [left])
  const run = useCallback<Action["run"]>(
    (act) => {
      if (under.current) return
      under.current = true
      set({ busy: true, failure: null })
      const end = (failure: ReadFailure | null) => {
        under.current = false
        if (!left.signal.aborted) set({ busy: false, failure })
      }
      act(left.signal).then(
        () => end(null),
        (cause: unknown) => end(failureOf(cause)),
      )
    },
    [left],
  )
  return { ...state, run }
}
