/** Where in the world a sender is: by what a trusted proxy says, or by the operator's database. */

import { isIP } from "node:net"
import { Reader, type Response } from "mmdb-lib"
import { cut } from "../domain/cut.ts"
import { Recent } from "../domain/recent.ts"

export interface Place {
  /** ISO 3166-1, two letters. */
  readonly country: string | null
  /** ISO 3166-2 without the country, or a name. */
  readonly region: string | null
  readonly city: string | null
}

export const NOWHERE: Place = { country: null, region: null, city: null }

/** What proxies add to requests; empty where they add nothing. */
export interface PlaceHeaders {
  readonly country: string
  readonly region: string
  readonly city: string
}

/** Addresses whose places are remembered, in memory only. */
const REMEMBERED = 5000
const MAX_NAME = 80

/** `XX` and `T1` are Cloudflare's for unknown and Tor. */
const COUNTRY = /^(?!XX)[A-Z]{2}$/

const nameOf = (value: unknown): string | null => {
  if (typeof value !== "string" || value === "") return null
  return cut(value.toWellFormed(), MAX_NAME).replaceAll("\u0000", "")
}

const countryOf = (value: unknown): string | null =>
  typeof value === "string" && COUNTRY.test(value.toUpperCase()) ? value.toUpperCase() : null

/** A header's name of a place: Vercel encodes it as a part of a URL. */
const decoded = (header: string): string | null => {
  try {
    return nameOf(decodeURIComponent(header))
  } catch {
    return nameOf(header)
  }
}

/** The place that a trusted proxy's headers tell; `null` where they tell no country. */
export const placeOfHeaders = ({ country, region, city }: PlaceHeaders): Place | null => {
  const known = country === "" ? null : countryOf(country)
  return known === null ? null : { country: known, region: decoded(region), city: decoded(city) }
}

type Fields = { readonly [name: string]: unknown }

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)
const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {})
const englishName = (value: unknown): string | null => nameOf(fieldsOf(fieldsOf(value).names).en)

/**
 * The place in a database's record: of the form of GeoLite2 and DB-IP (`country.iso_code`, `subdivisions`, `city.names`), or of
 * IPinfo's flat one (`country_code`, or two letters in `country`).
 */
export const placeOfRecord = (record: unknown): Place => {
  const fields = fieldsOf(record)
  const subdivision: unknown = Array.isArray(fields.subdivisions) ? fields.subdivisions[0] : undefined
  const country =
    countryOf(fieldsOf(fields.country).iso_code) ??
    countryOf(fields.country_code) ??
    countryOf(fields.country)
  return {
    country,
    region:
      nameOf(fieldsOf(subdivision).iso_code) ??
      englishName(subdivision) ??
      nameOf(fields.region) ??
      nameOf(fields.state1),
    city: englishName(fields.city) ?? nameOf(fields.city),
  }
}

/** Tells the places of addresses. */
export interface Places {
  of(address: string): Place
  /** When the database was made, unix seconds; 0 where there is none. */
  readonly builtAt: number
}

/** Without a database every address is {@link NOWHERE}. */
export const NO_PLACES: Places = { of: () => NOWHERE, builtAt: 0 }

/** Places by an .mmdb file's bytes; throws what is wrong with them. */
export const placesIn = (database: Buffer): Places => {
  const reader = new Reader<Response>(database)
  const known = new Recent<Place>(REMEMBERED)
  return {
    builtAt: Math.floor(reader.metadata.buildEpoch.getTime() / 1000),
    of: (address) =>
      known.get(address) ??
      (isIP(address) === 0 ? NOWHERE : known.set(address, placeOfRecord(reader.get(address)))),
  }
}
