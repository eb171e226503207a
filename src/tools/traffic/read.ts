/** Reads figures as a dashboard does, over HTTP, and trusts no shape. */

import { setTimeout as sleep } from "node:timers/promises"
import { API_PATH } from "../../domain/paths.ts"
import { type Body, isBody } from "./traffic.ts"

/** Reads are tried again for this long, milliseconds: the server may be restarting. */
const PATIENCE = 30_000
const BETWEEN = 250

export type Parameters = Readonly<Record<string, string | number | null>>

/** Asks one server for one site's figures. */
export class Reader {
  readonly #url: URL
  readonly site: string

  constructor(url: URL, site: string) {
    this.#url = url
    this.site = site
  }

  /** The body of an answer as text. Fails when it is not 200. */
  async text(path: string, parameters: Parameters = {}): Promise<string> {
    const url = new URL(`${API_PATH}/${path}`, this.#url)
    for (const [name, value] of Object.entries({ ...parameters, site: this.site }))
      if (value !== null) url.searchParams.set(name, String(value))
    const giveUpAt = Date.now() + PATIENCE
    for (;;) {
      const response = await fetch(url).catch((error: unknown) => {
        if (Date.now() > giveUpAt) throw error
        return null
      })
      if (response !== null) {
        const text = await response.text().catch((error: unknown) => {
          throw new Error(`${url.pathname}${url.search} broke off: ${error}`)
        })
        if (response.status === 200) return text
        if (response.status !== 503 || Date.now() > giveUpAt)
          throw new Error(`${url.pathname}${url.search} answered ${response.status}: ${text.slice(0, 200)}`)
      }
      await sleep(BETWEEN)
    }
  }

  /** The whole answer of an endpoint. */
  async answer(path: string, parameters: Parameters = {}): Promise<Body> {
    const value: unknown = JSON.parse(await this.text(path, parameters))
    if (!isBody(value) || value.success !== true) throw new Error(`${path} did not answer success`)
    return value
  }

  /** `data` of an endpoint that answers an object. */
  async object(path: string, parameters: Parameters = {}): Promise<Body> {
    const { data } = await this.answer(path, parameters)
    if (!isBody(data)) throw new Error(`${path} did not answer an object`)
    return data
  }

  /** `data` of an endpoint that answers a list of objects. */
  async list(path: string, parameters: Parameters = {}): Promise<ReadonlyArray<Body>> {
    const { data } = await this.answer(path, parameters)
    if (!Array.isArray(data)) throw new Error(`${path} did not answer a list`)
    return data.filter(isBody)
  }
}

/** A value as text that is equal for equal JSON: keys in order, numbers as they are. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    isBody(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each,
  ) ?? "null"
