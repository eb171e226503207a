import { useCallback, useEffect, useState } from "preact/hooks"
import { failureCode } from "../model/readFailure.ts"
import { type Loaded, NOTHING } from "../model/state.ts"

/**
 * Loads something once, and what loads it again; what was loaded before stays meanwhile.
 *
 * @param key what is loaded: for another key nothing is known yet
 */
export const useLoaded = <A>(
  key: string,
  load: (signal: AbortSignal) => Promise<A>,
): readonly [part: Loaded<A>, again: () => void] => {
  const [{ part, of }, set] = useState<{ readonly part: Loaded<A>; readonly of: string }>({
    ...{ part: NOTHING, of: key },
  })
  const [tries, setTries] = useState(0)
  useEffect(() => {
    const loading = new AbortController()
    set((before) => ({ part: before.of === key ? { ...before.part, loading: true } : NOTHING, of: key }))
    load(loading.signal).then(
      (data) => loading.signal.aborted || set({ part: { data, loading: false, failure: null }, of: key }),
      (cause: unknown) => {
        if (loading.signal.aborted) return
        set((before) => ({
          ...before,
          part: { ...before.part, loading: false, failure: failureCode(cause) },
        }))
      },
    )
    return () => loading.abort()
  }, [key, tries])
  return [of === key ? part : NOTHING, useCallback(() => setTries((before) => before + 1), [])]
}
