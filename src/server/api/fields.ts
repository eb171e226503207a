/** The fields of a JSON body: the first bad one is kept as the {@link Fields.problem}, and readers then return something harmless. */
import { type Expected, namedTimeZone, origins, pageHosts, siteSlug } from "../../config/values.ts"
import { MAX_PASSWORD, MIN_PASSWORD } from "../../domain/limits.ts"
import { Problem } from "../http/problem.ts"
import type { Sites } from "../http/query.ts"

export class Fields {
  problem: Problem | null = null
  readonly #fields: { readonly [name: string]: unknown }

  constructor(body: unknown) {
    if (typeof body === "object" && body !== null && !Array.isArray(body)) this.#fields = { ...body }
    else {
      this.#fields = {}
      this.problem = new Problem("INVALID_FIELD", "The body must be a JSON object.")
    }
  }

  #refuse<A>(name: string, expected: string, instead: A): A {
    this.problem ??= new Problem("INVALID_FIELD", `${name} should be ${expected}.`)
    return instead
  }

  /** A field as it was sent, for whoever reads it by rules of its own. */
  value(name: string): unknown {
    return this.#fields[name]
  }

  /** A text of so many characters. */
  text(name: string, min: number, max: number): string {
    const value = this.#fields[name]
    return typeof value === "string" &&
      value.trim().length >= min &&
      value.length <= max &&
      !value.includes("\u0000")
      ? value
      : this.#refuse(name, `a text of ${min} to ${max} characters`, "")
  }

  newPassword(name: string): string {
    return this.text(name, MIN_PASSWORD, MAX_PASSWORD)
  }

  /** What is read where the field is there, and `null` where it is not. */
  optional<A>(name: string, read: () => A): A | null {
    return this.#fields[name] === undefined || this.#fields[name] === null ? null : read()
  }

  flag(name: string): boolean {
    const value = this.#fields[name] ?? false
    return typeof value === "boolean" ? value : this.#refuse(name, "true or false", false)
  }

  oneOf<const A extends string>(name: string, values: readonly [A, ...ReadonlyArray<A>]): A {
    const found = values.find((each) => each === this.#fields[name])
    return found ?? this.#refuse(name, `one of ${values.join(", ")}`, values[0])
  }

  someOf<const A extends string>(name: string, values: ReadonlyArray<A>): ReadonlyArray<A> {
    const given = this.#fields[name]
    const found = Array.isArray(given) ? values.filter((each) => given.includes(each)) : []
    return Array.isArray(given) && found.length > 0 && found.length === new Set(given).size
      ? found
      : this.#refuse(name, `a list of some of ${values.join(", ")}`, [])
  }

  site(name: string, { declared }: Sites): string {
    const value = this.#fields[name]
    return typeof value === "string" && declared.has(value)
      ? value
      : this.#refuse(name, "a declared site", "")
  }

  /** Some of the sites; `null` for all. */
  sites(name: string, { declared }: Sites): ReadonlyArray<string> | null {
    return this.optional(name, () => {
      const given = this.#fields[name]
      const isKnown = (each: unknown): each is string => typeof each === "string" && declared.has(each)
      return Array.isArray(given) && given.length > 0 && given.every(isKnown)
        ? given
        : this.#refuse(name, "a list of declared sites", [])
    })
  }

  /** The slug of a site that need not be there yet. */
  newSlug(name: string): string {
    const value = this.#fields[name]
    const slug = siteSlug(typeof value === "string" ? value : "")
    return typeof slug === "string" ? slug : this.#refuse(name, slug.what, "")
  }

  /** The name of a time zone; `null` for none, and `undefined` where the field is not there. */
  timeZone(name: string): string | null | undefined {
    const value = this.#fields[name]
    if (value === undefined || value === null) return value
    const zone = namedTimeZone(typeof value === "string" ? value : "")
    return typeof zone === "string" ? zone : this.#refuse(name, `${zone.what}, or null`, null)
  }

  /** A whole number from 1 on; `null` for none, and `undefined` where the field is not there. */
  days(name: string, most: number, why: string): number | null | undefined {
    const value = this.#fields[name]
    if (value === undefined || value === null) return value
    return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= most
      ? value
      : this.#refuse(name, `a whole number from 1 to ${most}, ${why}, or null`, null)
  }

  /** Hosts of pages. */
  hosts(name: string): ReadonlyArray<string> {
    const given = this.#fields[name]
    const hosts = pageHosts(Array.isArray(given) ? given.join(",") : "")
    if ("what" in hosts) return this.#refuse(name, hosts.what, [])
    return Array.isArray(given) && given.every((each) => typeof each === "string")
      ? hosts
      : this.#refuse(name, "a list of hosts", [])
  }

  /** A list of texts as `parse` has them. */
  listOf(
    name: string,
    parse: (values: ReadonlyArray<string>) => ReadonlyArray<string> | Expected,
  ): ReadonlyArray<string> {
    const given = this.#fields[name]
    const isList = Array.isArray(given) && given.every((each): each is string => typeof each === "string")
    const parsed = parse(isList ? given : [])
    if ("what" in parsed) return this.#refuse(name, parsed.what, [])
    return isList ? parsed : this.#refuse(name, "a list of texts", [])
  }

  /** Origins, or `*` for all; none where the field is not there. */
  origins(name: string): ReadonlyArray<string> {
    return (
      this.optional(name, () => {
        const given = this.#fields[name]
        if (!Array.isArray(given) || !given.every((each) => typeof each === "string"))
          return this.#refuse(name, "a list of origins, or of *", [])
        if (given.length === 0) return []
        const read = origins(given.join(","))
        return read === "*" ? ["*"] : "what" in read ? this.#refuse(name, read.what, []) : read
      }) ?? []
    )
  }

  /** An instant in ISO 8601, as unix milliseconds; `null` for never. */
  time(name: string): number | null {
    return this.optional(name, () => {
      const given = this.#fields[name]
      const time = typeof given === "string" ? Date.parse(given) : Number.NaN
      return Number.isFinite(time) ? time : this.#refuse(name, "a time in ISO 8601", 0)
    })
  }
}

/** The id at a path's end; `null` for what is none. */
export const idOf = (text: string): number | null => (/^\d{1,9}$/.test(text) ? Number(text) : null)
