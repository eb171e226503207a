/** What the panels of the front page share: what is shown. */
import { createContext } from "preact"
import { useCallback, useContext, useEffect, useRef, useState } from "preact/hooks"
import { changeAddress } from "../model/place.ts"
import { type Condition, readView, type View, withCondition, writeView } from "../model/view.ts"

export interface Front {
  /** One, or several as one, as the address has them. */
  readonly site: string | null
  /** The slugs that it is of; none while it is not known which there are. */
  readonly slugs: ReadonlyArray<string>
  /** Whether it is more than one. */
  readonly several: boolean
  readonly view: View
  /** Shows another view. In place of the present one, where Back should not come to it. */
  readonly show: (change: Partial<View>, how?: "replace") => void
  /** The server's time now, unix milliseconds. */
  readonly now: () => number
}

export const FrontContext = createContext<Front | null>(null)

export const useFront = (): Front => {
  const front = useContext(FrontContext)
  if (front === null) throw new Error("not on the front page")
  return front
}

/** The view of the address, and what changes it. */
export const useView = (): readonly [View, Front["show"]] => {
  const [view, setView] = useState(() => readView(new URLSearchParams(location.search)))
  const latest = useRef(view)
  useEffect(() => {
    const listen = () => {
      latest.current = readView(new URLSearchParams(location.search))
      setView(latest.current)
    }
    window.addEventListener("popstate", listen)
    return () => window.removeEventListener("popstate", listen)
  }, [])
  const show = useCallback((change: Partial<View>, how?: "replace") => {
    latest.current = { ...latest.current, ...change }
    const url = new URL(location.href)
    writeView(latest.current, url.searchParams)
    if (url.href !== location.href) changeAddress(how ?? "push", url)
    setView(latest.current)
  }, [])
  return [view, show]
}

/** Filters everything by a condition, or no longer. */
export const useFilter = (): ((condition: Condition) => void) => {
  const { view, show } = useFront()
  return useCallback(
    (condition) => show({ conditions: withCondition(view.conditions, condition), details: null }),
    [view, show],
  )
}
