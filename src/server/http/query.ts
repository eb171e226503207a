/** Query strings: decoding, and parameters whose bad values are refused rather than replaced. */
import { decodeSite, type EventContext, Rejection } from "../../domain/event.ts"
import { choiceOf, chosenSites } from "../../domain/siteChoice.ts"
import { Problem } from "./problem.ts"

/** At most 15 digits are read, so that a number is exact. A range that ends here has no practical upper bound. */
export const MAX_INTEGER = 999_999_999_999_999

/** A whole number within bounds. */
export interface IntegerRange {
  readonly min: number
  readonly max: number
  readonly fallback: number
}

/** The declared sites, and the one used if none is named. */
export interface Sites {
  readonly declared: ReadonlySet<string>
  readonly default: string
}

/** `undefined` for malformed percent-encoding or UTF-8. */
const decode = (text: string): string | undefined => {
  if (!text.includes("%") && !text.includes("+")) return text
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
  } catch {
    return undefined
  }
}

const shown = (value: string): string => JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)

/**
 * Reads known parameters of one query. The first bad value is kept in {@link problem}; readers then return their defaults,
 * so a handler reads all it needs and checks once. Parameters that are never read are ignored, however malformed.
 */
export class Parameters {
  problem: Problem | null = null
  readonly #pairs: Array<readonly [name: string, raw: string]> = []

  constructor(query: string) {
    if (query === "") return
    for (const part of query.split("&")) {
      const at = part.indexOf("=")
      const name = decode(at < 0 ? part : part.slice(0, at))
      if (name !== undefined && name !== "") this.#pairs.push([name, at < 0 ? "" : part.slice(at + 1)])
    }
  }

  /** Refuses a parameter: the message names it, its value and what it should be. */
  refuse(name: string, value: string, expected: string): void {
    this.problem ??= new Problem("INVALID_PARAMETER", `${name} is ${shown(value)}: it should be ${expected}.`)
  }

  /** A parameter's text, or `null` if it is absent. If it is given twice, both values must be equal. */
  text(name: string): string | null {
    let found: string | null = null
    for (const [each, raw] of this.#pairs) {
      if (each !== name) continue
      const value = decode(raw)
      if (value === undefined) {
        this.refuse(name, raw, "percent-encoded UTF-8")
        return null
      }
      // Postgres cannot hold such text, so nothing could match it.
      if (value.includes("\u0000")) {
        this.refuse(name, value, "text without NUL")
        return null
      }
      if (found !== null && found !== value) {
        this.problem ??= new Problem("INVALID_PARAMETER", `${name} is given more than once: give it once.`)
        return null
      }
      found = value
    }
    return found
  }

  /** The one site that the parameter `site` names, or the default one. Those that are `archived` are refused as such. */
  site({ declared, default: fallback, archived }: Sites & Pick<EventContext, "archived">): string {
    const text = this.text("site")
    const site = decodeSite(text, { site: fallback, sites: declared, archived })
    if (!(site instanceof Rejection)) return site
    if (text !== null && "sites" in chosenSites(text, declared)) this.refuse("site", text, "one site")
    this.problem ??= new Problem(site.code, site.error)
    return fallback
  }

  /** What the parameter `site` chooses, one site or several as one; the default one where it names none. */
  sites({ declared, default: fallback }: Sites): string {
    const text = this.text("site")
    if (text === null) return fallback
    const chosen = chosenSites(text, declared)
    if (!("unknown" in chosen)) return choiceOf(chosen.sites)
    const named = decodeSite(chosen.unknown, { site: fallback, sites: declared })
    if (named instanceof Rejection) this.problem ??= new Problem(named.code, named.error)
    return fallback
  }

  oneOf<const A extends string, B>(name: string, values: ReadonlyArray<A>, fallback: B): A | B {
    const text = this.text(name)
    if (text === null) return fallback
    const value = values.find((each) => each === text)
    if (value !== undefined) return value
    this.refuse(name, text, `one of ${values.join(", ")}`)
    return fallback
  }

  integer(name: string, { min, max, fallback }: IntegerRange): number {
    const text = this.text(name)
    if (text === null) return fallback
    const value = Number(text)
    if (/^\d{1,15}$/.test(text) && value >= min && value <= max) return value
    const range = max === MAX_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`
    this.refuse(name, text, range)
    return fallback
  }
}
