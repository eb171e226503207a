/** Sites as people choose and type them. */
import { chosenSites } from "../../domain/siteChoice.ts"

/** The slugs that a choice of the address is of; `null` chooses the default site, which is the first. None where it names another. */
export const slugsChosen = (site: string | null, sites: ReadonlyArray<string>): ReadonlyArray<string> => {
  const chosen = site === null ? { sites: sites.slice(0, 1) } : chosenSites(site, new Set(sites))
  return "sites" in chosen ? chosen.sites : []
}

/** What of a thing is another after a change. */
export const differing = <A extends object>(before: A, after: A): Partial<A> => {
  const change: Partial<A> = {}
  for (const name in after)
    if (JSON.stringify(after[name]) !== JSON.stringify(before[name])) change[name] = after[name]
  return change
}

/** What somebody types with spaces or commas between it. */
export const wordsOf = (text: string): ReadonlyArray<string> =>
  text.split(/[\s,]+/).filter((each) => each !== "")

/** Hosts as somebody types them, or copies them from an address. */
export const hostsOf = (text: string): ReadonlyArray<string> =>
  wordsOf(text).map((each) => (/^https?:\/\//i.test(each) && URL.canParse(each) ? new URL(each).host : each))

/** What a site of that name may be called by its senders. */
export const slugFor = (name: string): string =>
  name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\p{M}/gu, "")
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 64)
