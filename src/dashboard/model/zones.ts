/** Time zones. */

/** Whether the browser knows a time zone. */
export const isZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== ""
  } catch {
    return false
  }
}

/** The zone that sites have in common; `undefined` where they have not, where it is the deployment's, or unknown to the browser. */
export const zoneOfSites = (
  sites: ReadonlyArray<string>,
  zones: ReadonlyMap<string, string>,
): string | undefined => {
  const [zone, ...others] = new Set(sites.map((each) => zones.get(each)))
  return zone !== undefined && others.length === 0 && isZone(zone) ? zone : undefined
}

/** Those that are offered: the browser's own first. */
export const timeZones = (): ReadonlyArray<string> => [
  ...new Set([
    Intl.DateTimeFormat().resolvedOptions().timeZone,
    ...["UTC", ...Intl.supportedValuesOf("timeZone")],
  ]),
]
