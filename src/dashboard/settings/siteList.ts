/** The sites as they are listed and changed. */
import { useEffect, useRef } from "preact/hooks"
import {
  type DeclaredSites,
  OTHER_HOSTS,
  type OtherHosts,
  type SiteReceipt,
  type Site as Told,
} from "../../domain/answers.ts"
import { isBoolean, isDone, isNumber, isText, listOf, orNull, shape } from "../model/decode.ts"
import { patch, post, read } from "../model/read.ts"
import { ReadFailure } from "../model/readFailure.ts"
import { useLoaded } from "../panels/loaded.ts"
import { erase } from "./erasing.ts"
import { isOfReceipt } from "./receipt.tsx"

/** Milliseconds after which the sites are read once more: another node may be asked, and hear of a change a moment later. */
const LATER_MS = 2000

/** A site as it is told to whom may change it. */
export type Site = Required<Told>

/** As any node tells it: one of before `other_hosts` does not say that. */
type SiteRead = Omit<Site, "other_hosts"> & Partial<Pick<Site, "other_hosts">>

const isOtherHosts = (value: unknown): value is OtherHosts => OTHER_HOSTS.some((each) => each === value)

const isSite = shape<SiteRead>({
  slug: isText,
  name: isText,
  hosts: listOf(isText),
  other_hosts: (value): value is OtherHosts | undefined => value === undefined || isOtherHosts(value),
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

interface SitesRead extends Omit<DeclaredSites, "details"> {
  readonly details: ReadonlyArray<SiteRead>
}

/** Whether a body is the answer of `/sites`, with what is known of each. */
const isSitesAnswer = shape<{ readonly data: SitesRead }>({
  data: shape<SitesRead>({
    sites: listOf(isText),
    default: isText,
    details: listOf(isSite),
    time_zone: isText,
    retention_days: isNumber,
    script: isText,
  }),
})

const readSites = async (signal: AbortSignal): Promise<SiteList> => {
  const { data } = await read("sites", {}, isSitesAnswer, signal)
  const details = data.details.map((site): Site => {
    const { other_hosts = site.only_hosts ? "refuse" : "count" } = site
    return { ...site, other_hosts }
  })
  return { ...data, details }
}

/** All sites, and what reads them again. */
export const useSiteList = () => useLoaded("", readSites)

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

/** The endpoint that changes a site, and erases it. */
export const siteEndpoint = (slug: string): string => `sites/${encodeURIComponent(slug)}`

/** Changes what is given of a site. */
export const changeSite = (
  slug: string,
  change: Partial<Omit<Site, "slug">>,
  signal: AbortSignal,
): Promise<unknown> => patch(siteEndpoint(slug), change, isDone, signal)

/** Adds a host to those that a site has, and has by then: another one may have been added a moment before. */
export const addHost = async (
  { slug, hosts }: Pick<Site, "slug" | "hosts">,
  host: string,
  signal: AbortSignal,
): Promise<void> => {
  const { details } = await readSites(signal)
  const present = details.find((each) => each.slug === slug)
  // What cannot be added to would be replaced.
  if (present === undefined) throw new ReadFailure("UNKNOWN_SITE", `There is no site ${slug}.`)
  await changeSite(slug, { hosts: [...new Set([...hosts, ...present.hosts, host])] }, signal)
}

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

/** Erases a site with all that there is of it. */
export const eraseSite = async (slug: string, signal: AbortSignal): Promise<SiteReceipt> =>
  (await erase(siteEndpoint(slug), isErased, signal)).data
