/** `POST /sites`, `PATCH` and `DELETE /sites/{slug}`: sites are added, changed, erased. `GET /sites` is among the reads. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { excludedAddresses, pathPatterns } from "../../config/values.ts"
import { OTHER_HOSTS, type OtherHosts } from "../../domain/answers.ts"
import { MAX_ACCOUNT_BODY_BYTES } from "../../domain/limits.ts"
import { SiteRefused } from "../../sites/index.ts"
import { type Bodies, readJson } from "../http/body.ts"
import type { Exchange } from "../http/exchange.ts"
import { Problem, STORE_UNAVAILABLE } from "../http/problem.ts"
import type { Runner } from "../services/readCache.ts"
import type { SitesService } from "../services/services.ts"
import { Fields } from "./fields.ts"

/** Characters of a site's name, at most. */
export const MAX_SITE_NAME = 100

const REFUSALS: { readonly [reason in SiteRefused["reason"]]: Problem } = {
  taken: new Problem("CONFLICT", "There is a site of this slug."),
  missing: Problem.of("NOT_FOUND"),
  default: new Problem("CONFLICT", "The default site cannot be archived: events that name no site are its."),
  busy: STORE_UNAVAILABLE,
  too_many: new Problem("CONFLICT", "There are as many as there may be."),
}

export interface SitesOptions {
  readonly sites: SitesService
  /** The deployment's. */
  readonly retentionDays: number
  readonly bodies: Bodies
  readonly run: Runner
}

const nameIn = (fields: Fields): string | null =>
  fields.optional("name", () => fields.text("name", 1, MAX_SITE_NAME).trim())

const flagIn = (fields: Fields, name: string): boolean | null =>
  fields.optional(name, () => fields.flag(name))

const otherHostsIn = (fields: Fields): OtherHosts | null =>
  fields.optional("other_hosts", () => fields.oneOf("other_hosts", OTHER_HOSTS))

const hostsIn = (fields: Fields): ReadonlyArray<string> | null =>
  fields.optional("hosts", () => fields.hosts("hosts"))

export class SitesEndpoint {
  readonly #options: SitesOptions

  constructor(options: SitesOptions) {
    this.#options = options
  }

  /** Reads the fields of a body and does what they say. */
  #obey(exchange: Exchange, read: (fields: Fields) => (who: string) => Effect.Effect<void, unknown>): void {
    const { bodies, run } = this.#options
    const who = exchange.access.grant.name ?? "nobody"
    readJson(bodies, exchange, MAX_ACCOUNT_BODY_BYTES, (body) => {
      const fields = new Fields(body)
      const change = read(fields)
      if (fields.problem !== null) return exchange.refuse(fields.problem)
      const refusable = Effect.mapError(change(who), (error) =>
        error instanceof SiteRefused ? REFUSALS[error.reason] : error,
      )
      run(refusable).addObserver((exit) => {
        if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
        else exchange.json({ success: true, data: null })
      })
    })
  }

  add(exchange: Exchange): void {
    this.#obey(exchange, (fields) => {
      const site = {
        ...{ slug: fields.newSlug("slug"), name: nameIn(fields), hosts: hostsIn(fields) ?? [] },
        otherHosts: otherHostsIn(fields) ?? (flagIn(fields, "only_hosts") === true ? "refuse" : "count"),
        timeZone: fields.timeZone("time_zone") ?? null,
      }
      return (who) => this.#options.sites.add(who, site)
    })
  }

  /** `DELETE /sites/{slug}`: the site is erased, and the answer is the receipt. */
  erase(exchange: Exchange, slug: string): void {
    const { sites, run } = this.#options
    const erased = Effect.mapError(sites.erase(exchange.access.grant.name ?? "nobody", slug), (error) =>
      error._tag === "SiteRefused"
        ? REFUSALS[error.reason]
        : error._tag === "SchemaTooNew"
          ? STORE_UNAVAILABLE
          : error,
    ).pipe(
      Effect.tap(({ events }) =>
        Effect.logInfo("administration: a site was erased").pipe(Effect.annotateLogs({ site: slug, events })),
      ),
    )
    run(erased).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exchange.json({ success: true, data: exit.value })
    })
  }

  change(exchange: Exchange, slug: string): void {
    this.#obey(exchange, (fields) => {
      const change = {
        ...{ name: nameIn(fields), hosts: hostsIn(fields) },
        ...{ otherHosts: otherHostsIn(fields), onlyHosts: flagIn(fields, "only_hosts") },
        archived: flagIn(fields, "archived"),
        timeZone: fields.timeZone("time_zone"),
        retentionDays: fields.days("retention_days", this.#options.retentionDays, "which is RETENTION_DAYS"),
        excludedPaths: fields.optional("excluded_paths", () => fields.listOf("excluded_paths", pathPatterns)),
        excludedAddresses: fields.optional("excluded_addresses", () =>
          fields.listOf("excluded_addresses", excludedAddresses),
        ),
      }
      return (who) => this.#options.sites.change(who, slug, change)
    })
  }
}
