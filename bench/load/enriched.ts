/** What the requests of a load's visitors would tell: as varied as those of a site that is read in many countries. */
import { fnv1a } from "../../src/domain/hash.ts"
import type { TellingSender } from "../../src/enrichment/enricher.ts"
import type { Place } from "../../src/enrichment/place.ts"

/** About as frequent as on public sites; mobile browsers mostly come with few versions, and countries by their size. */
const COUNTRIES = [
  "US",
  "US",
  "US",
  "DE",
  "DE",
  "FR",
  "FR",
  "FR",
  "GB",
  "IN",
  "IN",
  "BR",
  "JP",
  "ES",
  "CA",
  "NL",
]
const REGIONS = 12
const CITIES = 40
const LANGUAGES = [
  "en-US,en;q=0.9",
  "en-GB,en;q=0.8",
  "de-DE,de;q=0.9",
  "fr-FR,fr;q=0.9",
  "es-ES",
  "pt-BR",
  "ja",
]
const SCREENS = [390, 393, 412, 820, 1280, 1366, 1440, 1536, 1920, 2560]

const pick = <A>(list: ReadonlyArray<A>, number: number): A | undefined => list[number % list.length]

/** The place of a visitor, whose id stands for the address. */
export const placeOf = (visitorId: string): Place => {
  const number = fnv1a(visitorId)
  return {
    country: pick(COUNTRIES, number) ?? null,
    region: `R${(number >>> 4) % REGIONS}`,
    city: `City of ${(number >>> 4) % CITIES}`,
  }
}

/** The width of a visitor's screen. */
export const screenWidthOf = (visitorId: string): number => pick(SCREENS, fnv1a(visitorId) >>> 3) ?? 0

/** A visitor's request, with the address {@link placeOf} knows. */
export const tellingSender = (visitorId: string, userAgent: string): TellingSender => ({
  headers: {
    userAgent,
    acceptLanguage: pick(LANGUAGES, fnv1a(visitorId) >>> 5) ?? "",
    ...{ brands: "", mobile: "", platform: "", purpose: "", origin: "" },
    ...{ country: "", region: "", city: "" },
  },
  unlimited: false,
  proxied: () => false,
  address: () => visitorId,
})
