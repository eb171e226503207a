/** The sites as they are listed and changed. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks"
import {
  type DeclaredSites,
  OTHER_HOSTS,
  type OtherHosts,
  type SiteReceipt,
  type Site as Told,
} from "../../domain/answers.ts"
import { isBoolean, isDone, isNumber, isText, listOf, orNull, shape } from "../model/decode.ts"
import { patch, post, read, remove } from "../model/read.ts"
import { failureCode } from "../model/readFailure.ts"
import { type Loaded, NOTHING } from "../model/state.ts"
import { isOfReceipt } from "./receipt.tsx"

/** Milliseconds after which the sites are read once more: another node may be asked, and hear of a change a moment later. */
const LATER_MS = 2000

/** A site as it is told to whom may change it. */
export type Site = Required<Told>

const isOtherHosts = (value: unknown): value is OtherHosts => OTHER_HOSTS.some((each) => each === value)

const isSite = shape<Site>({
  slug: isText,
  name: isText,
  hosts: listOf(isText),
  other_hosts: isOtherHosts,
  only_hosts: isBoolean,
  time_zone: orNull(isText),
  retention_days: orNull(isNumber),
  archived: isBoolean,
  excluded_paths: listOf(isText),
  excluded_addresses: listOf(isText),
})

export interface SiteList extends DeclaredSites {
  readonly details: ReadonlyArray<Site>
}

/** Whether a body is the answer of `/sites`, with what is known of each. */
const isSitesAnswer = shape<{ readonly data: SiteList }>({
  data: shape<SiteList>({
    sites: listOf(isText),
    default: isText,
    details: listOf(isSite),
    time_zone: isText,
    retention_days: isNumber,
    script: isText,
  }),
})

/** All sites, and what reads them again. */
export const useSiteList = (): readonly [Loaded<SiteList>, () => void] => {
  const [part, set] = useState<Loaded<SiteList>>(NOTHING)
  const [tries, setTries] = useState(0)
  useEffect(() => {
    const reading = new AbortController()
    set((before) => ({ ...before, loading: true }))
    read("sites", {}, isSitesAnswer, reading.signal).then(
      ({ data }) => set({ data, loading: false, failure: null }),
      (cause: unknown) => {
        if (reading.signal.aborted) return
        set((before) => ({ ...before, loading: false, failure: failureCode(cause) }))
      },
    )
    return () => reading.abort()
  }, [tries])
  return [part, useCallback(() => setTries((before) => before + 1), [])]
}

/** What is called when the sites have been changed: reads them now, and once more later. */
export const useReread = (reread: () => void): (() => void) => {
  const later = useRef(0)
  useEffect(() => () => clearTimeout(later.current), [])
  return () => {
    reread()
    clearTimeout(later.current)
    later.current = window.setTimeout(reread, LATER_MS)
  }
}

export const addSite = (
  site: Omit<Told, "archived" | "retention_days" | "only_hosts">,
  signal: AbortSignal,
): Promise<unknown> => post("sites", site, isDone, signal)

/** Changes what is given of a site. */
export const changeSite = (
  slug: string,
  change: Partial<Omit<Site, "slug">>,
  signal: AbortSignal,
): Promise<unknown> => patch(`sites/${encodeURIComponent(slug)}`, change, isDone, signal)

const isErased = shape<{ readonly data: SiteReceipt }>({
  data: shape<SiteReceipt>({
    ...isOfReceipt,
    site: isText,
    first_at: orNull(isText),
    last_at: orNull(isText),
    days: isNumber,
    first_day: orNull(isText),
    goals: isNumber,
    share_links: isNumber,
    keys: isNumber,
    removed: isBoolean,
    complete: isBoolean,
  }),
})

/** Milliseconds that erasing a site may take: millions of events are some seconds. */
const ERASE_MS = 10 * 60_000

/** Erases a site with all that there is of it. */
export const eraseSite = async (slug: string, signal: AbortSignal): Promise<SiteReceipt> =>
  (await remove(`sites/${encodeURIComponent(slug)}`, isErased, signal, ERASE_MS)).data
