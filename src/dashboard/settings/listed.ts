/** What an endpoint lists, and what changes it. */
import { useCallback, useEffect, useState } from "preact/hooks"
import type { Is } from "../model/decode.ts"
import { read } from "../model/read.ts"
import { ReadFailure } from "../model/readFailure.ts"
import { type Loaded, NOTHING } from "../model/state.ts"

export interface Listed<A> {
  readonly part: Loaded<ReadonlyArray<A>>
  readonly again: () => void
}

interface Body<A> {
  readonly data: ReadonlyArray<A>
}

/** Reads a list, and again whenever it has been changed; what was read before stays meanwhile. */
export const useListed = <A>(
  endpoint: string,
  parameters: Readonly<Record<string, string | number | null>>,
  isBody: Is<Body<A>>,
): Listed<A> => {
  const [part, set] = useState<Loaded<ReadonlyArray<A>>>(NOTHING)
  const [tries, setTries] = useState(0)
  const key = JSON.stringify(parameters)
  useEffect(() => {
    const reading = new AbortController()
    set((before) => ({ ...before, loading: true }))
    read(endpoint, parameters, isBody, reading.signal).then(
      ({ data }) => set({ data, loading: false, failure: null }),
      (cause: unknown) => {
        if (reading.signal.aborted) return
        set((before) => ({ ...before, loading: false, failure: failureOf(cause).code }))
      },
    )
    return () => reading.abort()
  }, [endpoint, key, tries])
  return { part, again: useCallback(() => setTries((before) => before + 1), []) }
}

const failureOf = (cause: unknown): ReadFailure =>
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
  useEffect(() => () => left.abort(), [left])
  const { busy } = state
  const run = useCallback<Action["run"]>(
    (act) => {
      if (busy) return
      set({ busy: true, failure: null })
      act(left.signal).then(
        () => set({ busy: false, failure: null }),
        (cause: unknown) => left.signal.aborted || set({ busy: false, failure: failureOf(cause) }),
      )
    },
    [busy, left],
  )
  return { ...state, run }
}
