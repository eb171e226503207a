/** Which properties the events of a site have. */
import { useEffect, useState } from "preact/hooks"
import { isAnswer } from "../model/decode.ts"
import { read } from "../model/read.ts"
import { useFront } from "./context.ts"

/** Events that are looked at: the latest ones. */
const EVENTS = 100
/** Where something was clicked is no property that can be broken down. */
const NO_PROPERTIES: ReadonlySet<string> = new Set(["x", "y"])

const keysOf = (data: unknown): ReadonlyArray<string> =>
  typeof data === "object" && data !== null
    ? Object.entries(data).flatMap(([key, value]) =>
        NO_PROPERTIES.has(key) || key === "" || typeof value === "object" ? [] : [key],
      )
    : []

/** The keys of what the latest events say, once they are asked for; `null` until they are known. */
export const usePropertyKeys = (wanted: boolean): ReadonlyArray<string> | null => {
  const { site } = useFront()
  const [keys, set] = useState<ReadonlyArray<string> | null>(null)
  useEffect(() => {
    if (!wanted) return
    const reading = new AbortController()
    read("timeline", { site, limit: EVENTS }, isAnswer.timeline, reading.signal).then(
      ({ data }) => set([...new Set(data.flatMap(({ event_data }) => keysOf(event_data)))].sort()),
      // Without them the panel says that there is nothing.
      () => !reading.signal.aborted && set([]),
    )
    return () => reading.abort()
  }, [site, wanted])
  return keys
}
