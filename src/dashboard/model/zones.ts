/** Time zones as they are offered: the browser's own first. */
export const timeZones = (): ReadonlyArray<string> => [
  ...new Set([
    Intl.DateTimeFormat().resolvedOptions().timeZone,
    ...["UTC", ...Intl.supportedValuesOf("timeZone")],
  ]),
]
