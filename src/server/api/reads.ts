/** The statistics endpoints: their parameters, the figures they ask for, and answers that are cached briefly. */

import { gzip } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { DeclaredSites, HeatmapMeta, HistoryMeta, TimelineMeta } from "../../domain/answers.ts"
import { cut } from "../../domain/cut.ts"
import { MAX_URL_LENGTH } from "../../domain/limits.ts"
import type { PageQuery } from "../../domain/pageQuery.ts"
import { PERIODS } from "../../domain/period.ts"
import { slugsOf } from "../../domain/siteChoice.ts"
import type { SiteDirectory } from "../../sites/index.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Access } from "../http/access.ts"
import { type Exchange, JSON_TYPE } from "../http/exchange.ts"
import type { Problem } from "../http/problem.ts"
import { Parameters } from "../http/query.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { ChoiceFigures } from "../services/choiceFigures.ts"
import type { Pseudonyms } from "../services/pseudonyms.ts"
import { ReadCache, type Runner } from "../services/readCache.ts"
import type { EventQueries } from "../services/services.ts"
import {
  HEATMAP_GRID,
  HEATMAP_HOURS,
  HEATMAP_LIMIT,
  HISTORY_MINUTES,
  THEMES_LIMIT,
  TIMELINE_LIMIT,
  TIMELINE_OFFSET,
} from "./parameters.ts"

/**
 * Milliseconds for which one answer serves everyone who asks the same: fifty times what it took to make, so that a question
 * which is asked all the time takes a fiftieth of a store's time; at least 200 ms, and at most 5 s, because a dashboard
 * reads for the last time 6 s after a change (`dashboard/rereads.ts`).
 */
const keepMs = (tookMs: number): number => Math.min(Math.max(200, 50 * tookMs), 5000)
const MAX_ANSWERS = 256
/** Bytes of all cached answers together. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024
/** Bytes from which gzip saves a packet. */
const MIN_GZIP_BYTES = 1024

/** A read, as its parameters describe it: the key under which equal reads share an answer, and the answer's body. */
interface Read {
  readonly key: string
  readonly load: () => Effect.Effect<unknown, Problem | StoreError>
}

/** `site` is a choice: one, or several as one. */
type Endpoint = (parameters: Parameters, site: string, access: Access) => Read

const data = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<unknown, E> =>
  Effect.map(effect, (value) => ({ success: true, data: value }))

/** A page's URL as its events have it. */
export const storedUrl = (pageQuery: PageQuery, url: string): string =>
  cut(pageQuery.kept(url), MAX_URL_LENGTH)

/** The body compressed, or the body itself if that fails. */
const compress = (body: Buffer): Promise<Buffer> =>
  new Promise((resolve) => {
    gzip(body, (failure, compressed) => resolve(failure === null ? compressed : body))
  })

/** Raw events; visitors are pseudonyms to whom may not see them. */
const timelineEndpoint =
  (queries: EventQueries, pseudonyms: Pseudonyms): Endpoint =>
  (parameters, site, { grant }) => {
    const limit = parameters.integer("limit", TIMELINE_LIMIT)
    const offset = parameters.integer("offset", TIMELINE_OFFSET)
    const pageToken = parameters.text("cursor")
    if (pageToken !== null && !queries.isPageToken(pageToken))
      parameters.refuse("cursor", pageToken, "a next_cursor of an earlier answer")
    const named =
      grant.needs.has("read") && (grant.sites === null || new Set(slugsOf(site)).isSubsetOf(grant.sites))
    const load = () =>
      Effect.map(queries.timeline({ site, limit, offset, pageToken }), ({ rows, nextPageToken }) => ({
        success: true,
        data: named ? rows : rows.map((row) => ({ ...row, visitor_id: pseudonyms.of(row.visitor_id) })),
        meta: { limit, offset, count: rows.length, next_cursor: nextPageToken } satisfies TimelineMeta,
      }))
    return { key: `${named} ${limit} ${offset} ${pageToken}`, load }
  }

/** Options that the answer of `/sites` is made of. */
const OF_SITES = ["sites", "timeZone", "retentionDays", "scriptPath"] as const

/** The sites that there are for whoever asks. */
const sitesEndpoint =
  ({
    sites: all,
    timeZone,
    retentionDays,
    scriptPath: script,
  }: Pick<ReadsOptions, (typeof OF_SITES)[number]>): Endpoint =>
  (_parameters, _site, { sites, grant }) => {
    // Whose addresses are left out is nobody's business.
    const isTold = grant.needs.has("admin")
    const details = [...all.current.details.values()]
      .filter(({ slug }) => sites.declared.has(slug))
      .map(({ excluded_paths, excluded_addresses, ...site }) =>
        isTold ? { ...site, excluded_paths, excluded_addresses } : site,
      )
    const declared: DeclaredSites = {
      ...{ sites: [...sites.declared], default: sites.default, details },
      ...{ time_zone: timeZone, retention_days: retentionDays, script },
    }
    return { key: JSON.stringify(declared), load: () => data(Effect.succeed(declared)) }
  }

/** The endpoints, by their names in the public contract. */
const endpoints = (
  figures: ChoiceFigures,
  queries: EventQueries,
  all: Pick<ReadsOptions, (typeof OF_SITES)[number]>,
  pageQuery: PageQuery,
  pseudonyms: Pseudonyms,
) => ({
  sites: sitesEndpoint(all),

  realtime: ((_, site) => ({ key: "", load: () => data(figures.realtime(site)) })) satisfies Endpoint,

  stats: ((parameters, site) => {
    const period = parameters.oneOf("period", PERIODS, "day")
    return { key: period, load: () => data(figures.stats(site, period)) }
  }) satisfies Endpoint,

  themes: ((parameters, site) => {
    const limit = parameters.integer("limit", THEMES_LIMIT)
    const period = parameters.oneOf("period", PERIODS, null)
    return { key: `${limit} ${period}`, load: () => data(figures.themes(site, limit, period)) }
  }) satisfies Endpoint,

  letters: ((parameters, site) => {
    const period = parameters.oneOf("period", PERIODS, "day")
    return { key: period, load: () => data(figures.letters(site, period)) }
  }) satisfies Endpoint,

  timeline: timelineEndpoint(queries, pseudonyms),

  heatmap: ((parameters, site) => {
    const pageUrl = parameters.text("page_url") ?? parameters.text("page")
    const hours = parameters.integer("hours", HEATMAP_HOURS)
    const grid = parameters.integer("grid", HEATMAP_GRID) || null
    const limit = parameters.integer("limit", HEATMAP_LIMIT)
    const load = () =>
      Effect.map(
        queries.heatmap({
          site,
          pageUrl: pageUrl ? storedUrl(pageQuery, pageUrl) : null,
          ...{ hours, grid, limit },
        }),
        ({ points, total }) => ({
          success: true,
          data: points,
          meta: {
            ...{ page_url: pageUrl || null, hours, grid, count: points.length, total },
          } satisfies HeatmapMeta,
        }),
      )
    // As JSON, because a page may be called "null".
    return { key: JSON.stringify([hours, grid, limit, pageUrl || null]), load }
  }) satisfies Endpoint,

  history: ((parameters, site) => {
    const minutes = parameters.integer("minutes", HISTORY_MINUTES)
    const load = () =>
      Effect.map(queries.history({ site, minutes }), ({ minutes: rows, until }) => ({
        success: true,
        data: rows,
        meta: { minutes, until: new Date(until).toISOString() } satisfies HistoryMeta,
      }))
    return { key: `${minutes}`, load }
  }) satisfies Endpoint,

  yesterday: ((_, site) => ({ key: "", load: () => data(queries.yesterday(site)) })) satisfies Endpoint,
})

export type ReadEndpoint = keyof ReturnType<typeof endpoints>

export interface ReadsOptions {
  readonly figures: ChoiceFigures
  readonly queries: EventQueries
  readonly sites: Pick<SiteDirectory, "current">
  /** The deployment's. */
  readonly timeZone: string
  readonly retentionDays: number
  readonly scriptPath: string
  readonly pageQuery: PageQuery
  readonly pseudonyms: Pseudonyms
  readonly run: Runner
}

export class Reads {
  readonly #endpoints: ReturnType<typeof endpoints>
  readonly #answers: ReadCache<Buffer>
  /** Compressed copies, for as long as their answers are cached. */
  readonly #gzipped = new WeakMap<Buffer, Promise<Buffer>>()

  constructor({ figures, queries, pageQuery, pseudonyms, run, ...ofSites }: ReadsOptions) {
    this.#endpoints = endpoints(figures, queries, ofSites, pageQuery, pseudonyms)
    this.#answers = new ReadCache<Buffer>({
      run,
      keepMs,
      maxEntries: MAX_ANSWERS,
      weigh: (body) => body.length,
      maxWeight: MAX_KEPT_BYTES,
    })
  }

  /** Answers one of the statistics endpoints. */
  answer(endpoint: ReadEndpoint, exchange: Exchange, req: IncomingRequest) {
    const parameters = new Parameters(req.getQuery() ?? "")
    const site = parameters.sites(exchange.access.sites)
    const read = this.#endpoints[endpoint](parameters, site, exchange.access)
    if (parameters.problem !== null) return exchange.refuse(parameters.problem)
    const load = () => Effect.map(read.load(), (value) => Buffer.from(JSON.stringify(value)))
    const key = `${endpoint} ${site} ${read.key}`
    this.#answers.get(key, load, (plain) => {
      if (Exit.isFailure(plain)) return exchange.failCause(plain.cause)
      exchange.varies("Accept-Encoding")
      if (!exchange.headers.gzip || plain.value.length < MIN_GZIP_BYTES)
        return exchange.answer("200 OK", JSON_TYPE, plain.value, PLAIN)
      void this.#compressed(plain.value).then((body) =>
        exchange.answer("200 OK", JSON_TYPE, body, body === plain.value ? PLAIN : GZIPPED),
      )
    })
  }

  #compressed(body: Buffer): Promise<Buffer> {
    const known = this.#gzipped.get(body)
    if (known !== undefined) return known
    const compressed = compress(body)
    this.#gzipped.set(body, compressed)
    return compressed
  }
}

/** Only this process caches: browsers and proxies keep nothing. */
const PLAIN = { lines: "Cache-Control: no-store\r\n" }
const GZIPPED = { lines: `${PLAIN.lines}Content-Encoding: gzip\r\n` }
