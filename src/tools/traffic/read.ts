/** Reads figures over HTTP, as a dashboard does, and assumes nothing about their shape. */

import { setTimeout as sleep } from "node:timers/promises"
import { API_PATH } from "../../domain/paths.ts"
import { type Body, isBody } from "./traffic.ts"

/** How long reads are retried, milliseconds: the server may be restarting. */
const PATIENCE = 30_000
const BETWEEN = 250

export type Parameters = Readonly<Record<string, string | number | null>>

/** Reads one site's figures from one server. */
export class Reader {
  readonly #url: URL
  readonly #headers: { readonly [name: string]: string }
  readonly site: string

  /** @param token lets the reader see who visitors are; without it their events and downloads cannot be compared */
  constructor(url: URL, site: string, token: string | null) {
    this.#url = url
    this.#headers = token === null ? {} : { Authorization: `Bearer ${token}` }
    this.site = site
  }

  /** The body of a response as text. Fails unless its status is 200. */
  async text(path: string, parameters: Parameters = {}): Promise<string> {
    const url = new URL(this.#url)
    url.pathname = `${url.pathname.replace(/\/+$/, "")}${API_PATH}/${path}`
    for (const [name, value] of Object.entries({ ...parameters, site: this.site }))
      if (value !== null) url.searchParams.set(name, String(value))
    const giveUpAt = Date.now() + PATIENCE
    for (;;) {
      const response = await fetch(url, { headers: this.#headers }).catch((error: unknown) => {
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

  /** The whole response of an endpoint. */
  async answer(path: string, parameters: Parameters = {}): Promise<Body> {
    const value: unknown = JSON.parse(await this.text(path, parameters))
    if (!isBody(value) || value.success !== true) throw new Error(`${path} did not answer success`)
    return value
  }

  /** The `data` of an endpoint that returns an object. */
  async object(path: string, parameters: Parameters = {}): Promise<Body> {
    const { data } = await this.answer(path, parameters)
    if (!isBody(data)) throw new Error(`${path} did not answer an object`)
    return data
  }

  /** The `data` of an endpoint that returns a list of objects. */
  async list(path: string, parameters: Parameters = {}): Promise<ReadonlyArray<Body>> {
    const { data } = await this.answer(path, parameters)
    if (!Array.isArray(data)) throw new Error(`${path} did not answer a list`)
    return data.filter(isBody)
  }
}

/** A value as text that is the same for equal JSON: keys are sorted, numbers are unchanged. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    isBody(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each,
  ) ?? "null"
