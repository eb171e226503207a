/** Sites: those of `SITES`, and those that are added while nodes run; what is known of each. */

export { type AllSites, allSites, type FromSettings, SiteDirectory, type SiteRow } from "./allSites.ts"
export { type EraseSiteOptions, eraseSite, eraseSiteIn } from "./erase.ts"
export { Exclusions, isLike } from "./exclusions.ts"
export {
  loadSites,
  MAX_SITES,
  type NewSite,
  NO_CHANGE,
  NO_SITES_STORED,
  type SiteChange,
  SiteRefused,
  Sites,
  type StoredSites,
} from "./sites.ts"
