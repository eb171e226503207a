/** The sites that there are, by the settings and by what Postgres knows of them. Plain data and no I/O: threads hand each other rows. */
import type { OtherHosts, Site } from "../domain/answers.ts"
import { Exclusions } from "./exclusions.ts"

/** What Postgres knows of a site beyond its slug. */
export interface SiteRow {
  readonly slug: string
  readonly name: string | null
  readonly hosts: ReadonlyArray<string>
  readonly archived: boolean
  readonly otherHosts: OtherHosts
  /** IANA's name; `null` for the deployment's. */
  readonly timeZone: string | null
  /** Days for which its raw events are kept; `null` for as long as the deployment's. */
  readonly retentionDays: number | null
  readonly excludedPaths: ReadonlyArray<string>
  readonly excludedAddresses: ReadonlyArray<string>
  /** Whether it was added; one that was not is a site where `SITES` says so. */
  readonly added: boolean
}

/** Slugs as `SITES` has them, the default one first. */
export type FromSettings = readonly [string, ...ReadonlyArray<string>]

/** A site's hosts, where events of others do not count. */
export interface OwnHosts {
  readonly hosts: ReadonlySet<string>
  readonly others: Exclude<OtherHosts, "count">
}

/** All sites of a deployment. */
export interface AllSites {
  /** Those that may be asked about, the default one first. */
  readonly declared: ReadonlySet<string>
  readonly default: string
  /** Those of them that take events. */
  readonly taking: ReadonlySet<string>
  /** Those of them that take none any more. */
  readonly archived: ReadonlySet<string>
  /** The hosts of those to which it matters, and what becomes of events of others. */
  readonly ownHosts: ReadonlyMap<string, OwnHosts>
  /** What those leave out that leave something out. */
  readonly excluded: ReadonlyMap<string, Exclusions>
  readonly details: ReadonlyMap<string, Required<Site>>
}

/** All sites: those of `SITES` in their order, then those that were added. */
export const allSites = (settings: FromSettings, rows: ReadonlyArray<SiteRow>): AllSites => {
  const [byDefault] = settings
  const known = new Map(rows.map((row) => [row.slug, row]))
  const added = rows.filter((row) => row.added).map(({ slug }) => slug)
  const details = new Map(
    [...settings, ...added].map((slug): readonly [string, Required<Site>] => {
      const row = known.get(slug)
      // Events that name no site are the default one's, whatever it has been before: it takes them.
      const archived = slug !== byDefault && (row?.archived ?? false)
      const {
        name = slug,
        hosts = [],
        otherHosts = "count",
        timeZone = null,
        retentionDays = null,
        excludedPaths = [],
        excludedAddresses = [],
      } = row ?? {}
      return [
        slug,
        {
          ...{ slug, name: name ?? slug, hosts, other_hosts: otherHosts },
          ...{ only_hosts: otherHosts === "refuse", time_zone: timeZone, archived },
          ...{ retention_days: retentionDays, excluded_paths: excludedPaths },
          ...{ excluded_addresses: excludedAddresses },
        },
      ]
    }),
  )
  const slugsOf = (archived: boolean) =>
    new Set([...details.values()].filter((site) => site.archived === archived).map(({ slug }) => slug))
  return {
    declared: new Set(details.keys()),
    default: byDefault,
    taking: slugsOf(false),
    archived: slugsOf(true),
    ownHosts: new Map(
      [...details.values()].flatMap(({ slug, hosts, other_hosts: others }) =>
        others !== "count" && hosts.length > 0 ? [[slug, { hosts: new Set(hosts), others }] as const] : [],
      ),
    ),
    excluded: new Map(
      [...details.values()].flatMap(({ slug, excluded_paths: paths, excluded_addresses: addresses }) =>
        paths.length + addresses.length > 0 ? [[slug, new Exclusions(paths, addresses)] as const] : [],
      ),
    ),
    details,
  }
}

/** The sites that there are, as a thread knows them. */
export class SiteDirectory {
  readonly #settings: FromSettings
  #rows: ReadonlyArray<SiteRow>
  #current: AllSites

  constructor(settings: FromSettings, rows: ReadonlyArray<SiteRow> = []) {
    this.#settings = settings
    this.#rows = rows
    this.#current = allSites(settings, rows)
  }

  /** Another object after every change. */
  get current(): AllSites {
    return this.#current
  }

  /** What was learnt last. */
  get rows(): ReadonlyArray<SiteRow> {
    return this.#rows
  }

  /** What Postgres knows from now on. */
  learn(rows: ReadonlyArray<SiteRow>): void {
    this.#rows = rows
    this.#current = allSites(this.#settings, rows)
  }
}
