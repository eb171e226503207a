/** The live page in a site's time zone: clocks are of it; figures that are counted by the deployment's days say so. */
import { type ComponentChildren, createContext } from "preact"
import { useContext, useMemo } from "preact/hooks"
import type { SiteZones } from "../model/decode.ts"
import { wordingOf } from "../model/text.ts"
import { zoneOfSites } from "../model/zones.ts"
import { useWording, WordingContext } from "./parts.tsx"

/** Whose days are counted, where it is another zone than the site's. */
const OtherDaysContext = createContext<string | null>(null)

export interface SiteZoneProps {
  readonly zones: SiteZones
  /** Those that the page is about. */
  readonly slugs: ReadonlyArray<string>
  readonly children: ComponentChildren
}

export const SiteZone = ({ zones: { server, chosen }, slugs, children }: SiteZoneProps) => {
  const wording = useWording()
  const zone = zoneOfSites(slugs, chosen)
  const own = useMemo(
    () => (zone === undefined ? wording : wordingOf(wording.language, zone)),
    [wording, zone],
  )
  return (
    <WordingContext.Provider value={own}>
      <OtherDaysContext.Provider value={zone === undefined || zone === server ? null : server}>
        {children}
      </OtherDaysContext.Provider>
    </WordingContext.Provider>
  )
}

/** Says whose days are counted, where it should be said. */
export const useOtherDays = (): string | null => {
  const { t } = useWording()
  const zone = useContext(OtherDaysContext)
  return zone === null ? null : t.daysOf(zone.replaceAll("_", " "))
}
