/** What sites are called, wherever the page names one. */
import { createContext } from "preact"
import { useContext } from "preact/hooks"

/** By their slugs. */
export const SiteNamesContext = createContext<ReadonlyMap<string, string>>(new Map())

/** What a site is called. */
export const useSiteName = (): ((slug: string) => string) => {
  const names = useContext(SiteNamesContext)
  return (slug) => names.get(slug) ?? slug
}
