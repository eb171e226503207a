/** Which page this is, and where the node answers: pages lie at several depths below it. */
import { SETTINGS_TABS, type SettingsTab } from "../../domain/paths.ts"
import { siteParameters } from "./share.ts"
import { among } from "./view.ts"

/** The pages, and their addresses below the node's. */
const PLACES = { front: "", live: "live", settings: "settings" } as const
export type Place = keyof typeof PLACES

/** The page of an address, its tab where it has one, and how many folders below the node it lies. */
const partsOf = (pathname: string) => {
  const [folder = "", name = ""] = pathname.split("/").slice(-2)
  const tab = folder === PLACES.settings ? (among(SETTINGS_TABS, name) ?? null) : null
  if (tab !== null) return { place: "settings", tab, depth: 1 } as const
  const place: Place = name === PLACES.live ? "live" : name === PLACES.settings ? "settings" : "front"
  return { place, tab, depth: 0 } as const
}

/** The page that is open. */
export const openPlace = (): Place => partsOf(location.pathname).place

/** The tab of the settings page that the address names; `null` where it names none. */
export const openTab = (): SettingsTab | null => partsOf(location.pathname).tab

/** An address below the node's. */
export const urlBelow = (path: string): URL =>
  new URL(`./${"../".repeat(partsOf(location.pathname).depth)}${path}`, location.href)

/** The address of a page, of the same site and by the same access. */
export const pageUrl = (place: Place, site: string | null, tab?: SettingsTab): string => {
  const url = urlBelow(tab === undefined ? PLACES[place] : `${PLACES[place]}/${tab}`)
  url.search = String(siteParameters(site))
  return url.href
}

/**
 * Gives this page another address below its origin. Where the address that the page was opened with has a name and a password in it, `url`,
 * made of `location`, has none, and a browser takes such an address for another site's; one that is relative keeps them.
 */
export const changeAddress = (how: "push" | "replace", url: URL): void => {
  const address = `${url.pathname}${url.search}${url.hash}`
  if (how === "push") history.pushState(null, "", address)
  else history.replaceState(null, "", address)
}

/** Where to log in, and then come back to the settings if that is where one was. */
export const loginUrl = (): string =>
  `${urlBelow("login").href}${openPlace() === "settings" ? "#to=settings" : ""}`

const VISITOR = "visitor"

/** The address at which a visitor is looked for. */
export const visitorUrl = (site: string | null, visitor: string): string =>
  `${pageUrl("settings", site, "visitors")}#${VISITOR}=${encodeURIComponent(visitor)}`

/** The visitor whom the fragment of an address names, which no server and no log is told; empty where it names none. */
export const visitorOf = (hash: string): string => new URLSearchParams(hash.slice(1)).get(VISITOR) ?? ""
