/** `sites`: which there are, for whoever runs the deployment. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { AppConfig } from "../config/settings.ts"
import type { OtherHosts } from "../domain/answers.ts"
import { shortening } from "../events/retention/index.ts"
import { deploymentIdentity } from "../events/schema/index.ts"
import { announceChange, type Kind } from "../live/changes.ts"
import { rowsOfSite, type SiteRows } from "../privacy/siteRows.ts"
import {
  allSites,
  eraseSite,
  loadSites,
  type NewSite,
  NO_CHANGE,
  NO_SITES_STORED,
  type SiteChange,
  SiteRefused,
  Sites,
} from "../sites/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import { eraseFromArchives } from "./eraseArchives.ts"
import { CommandError } from "./error.ts"
import { receiptLines } from "./receipt.ts"
import { withStores } from "./stores.ts"

/** Who the audit log says it was. */
const WHO = "command"

const SENTENCES: { readonly [reason in SiteRefused["reason"]]: string } = {
  taken: "There is a site of this slug.",
  missing: "There is no site of this slug.",
  default:
    "The default site cannot be archived: events that name no site are its. Let SITES begin with another.",
  busy: "Retention is running: erase the site when it has finished.",
  too_many: "There are as many as there may be.",
}

/** All sites of a deployment. */
export const sitesOf = ({ sites }: AppConfig, postgres: Postgres) =>
  Effect.map(loadSites(postgres, NO_SITES_STORED.version), (known) => allSites(sites, known?.rows ?? []))

/** Does something with the sites of a deployment, and tells its nodes. */
const withSites = (
  config: AppConfig,
  body: (sites: Sites) => Effect.Effect<void, SiteRefused | StoreError | CommandError>,
) =>
  Effect.gen(function* () {
    const { postgres, redis, metrics } = yield* withStores(config, "deployment")
    const { id } = yield* deploymentIdentity(postgres)
    const streams = { redis, metrics, prefix: config.redisKeyPrefix }
    const changed = announceChange(redis, metrics, config.redisKeyPrefix, id, "sites")
    yield* Effect.mapError(body(new Sites(postgres, config.sites, streams, changed)), (error) =>
      error instanceof SiteRefused ? new CommandError({ message: SENTENCES[error.reason] }) : error,
    )
  })

const change = (config: AppConfig, slug: string, what: Partial<SiteChange>) =>
  withSites(config, (sites) => sites.change(WHO, slug, { ...NO_CHANGE, ...what }))

export const addSite = (config: AppConfig, site: NewSite) =>
  Effect.andThen(
    withSites(config, (sites) => sites.add(WHO, site)),
    Console.log(`${site.slug} is a site from now on.`),
  )

const OTHERS: { readonly [others in OtherHosts]: string } = {
  count: "every host",
  refuse: "its hosts only",
  mark: "other hosts marked",
}

export const listSites = (config: AppConfig) =>
  Effect.gen(function* () {
    const { postgres } = yield* withStores(config, "deployment")
    const { details } = yield* sitesOf(config, postgres)
    for (const site of details.values())
      yield* Console.log(
        [
          ...[site.slug, site.name, site.hosts.join(",")],
          ...[site.archived ? "archived" : "takes events", site.time_zone ?? ""],
          ...[OTHERS[site.other_hosts]],
          ...[site.excluded_paths.join(","), site.excluded_addresses.join(",")],
          ...(site.retention_days === null ? [] : [`${site.retention_days} days`]),
        ].join("\t"),
      )
  })

/** Changes what is given. */
export const changeSite = (
  config: AppConfig,
  slug: string,
  { timeZone, ...what }: Omit<Partial<SiteChange>, "archived">,
) =>
  Effect.andThen(
    withSites(config, (sites) =>
      timeZone === undefined && Object.values(what).every((each) => each === null)
        ? new CommandError({ message: `Nothing of ${slug} is to be changed: give a flag.` })
        : sites.change(WHO, slug, { ...NO_CHANGE, ...what, timeZone }),
    ),
    Console.log(`${slug} is changed from now on.`),
  )

export const renameSite = (config: AppConfig, slug: string, name: string) =>
  Effect.andThen(change(config, slug, { name }), Console.log(`${slug} is called ${name} from now on.`))

/** Gives a site a time zone, or with `null` that of the deployment again. */
export const moveSite = (config: AppConfig, slug: string, timeZone: string | null) =>
  Effect.andThen(
    change(config, slug, { timeZone }),
    Console.log(`Days of ${slug} are those of ${timeZone ?? config.timeZone} from now on.`),
  )

export interface KeepCommand {
  readonly slug: string
  /** `null`: as long as the deployment's. */
  readonly days: number | null
  /** Whether events that are kept now may go. */
  readonly yes: boolean
}

/** Fails when events would go that are kept now, and it was not told that they may. */
const requireYes = (config: AppConfig, { slug, days, yes }: KeepCommand, now: number) =>
  Effect.gen(function* () {
    const kept = config.retentionDays
    if (days === null) return
    if (days > kept)
      return yield* new CommandError({
        message: `days is ${days}, and RETENTION_DAYS is ${kept}: a site keeps its events for no longer.`,
      })
    const { postgres } = yield* withStores(config, "deployment")
    const { events, days: going } = yield* shortening(postgres, slug, { days, kept, now })
    const [first] = going
    if (yes || first === undefined) return
    return yield* new CommandError({
      message: `${events} events of ${slug} that are kept now would go with the next retention, of ${going.length} days from ${first} on. Nothing was changed. If they shall go, add --yes.`,
    })
  })

/** Chooses for how long a site keeps its raw events. */
export const keepSite = (config: AppConfig, command: KeepCommand, now: () => number) => {
  const { slug, days } = command
  return requireYes(config, command, now()).pipe(
    Effect.andThen(change(config, slug, { retentionDays: days })),
    Effect.andThen(Console.log(`${slug} keeps events for ${days ?? config.retentionDays} days from now on.`)),
  )
}

export const archiveSite = (config: AppConfig, slug: string, archived: boolean) =>
  Effect.andThen(
    change(config, slug, { archived }),
    Console.log(`${slug} ${archived ? "takes no events any more" : "takes events again"}.`),
  )

const saidOf = ({ events, first_at, last_at, days, first_day }: SiteRows): string =>
  [
    events === 0 ? "no events" : `${events} events, ${first_at} to ${last_at}`,
    ...(days === 0 ? [] : [`totals of ${days} days from ${first_day} on`]),
  ].join(", ")

/** Erases a site, archives included, or says what would go. */
export const eraseSiteByCommand = (
  config: AppConfig,
  { slug, yes }: { readonly slug: string; readonly yes: boolean },
  now: () => number,
) =>
  Effect.gen(function* () {
    const stores = yield* withStores(config, "deployment")
    const { postgres, redis, metrics } = stores
    const { declared } = yield* sitesOf(config, postgres)
    if (!declared.has(slug)) return yield* new CommandError({ message: SENTENCES.missing })
    if (!yes) {
      const rows = yield* postgres.transaction("erase_site", (sql) => rowsOfSite(sql, slug))
      return yield* new CommandError({
        message: `${slug} has ${saidOf(rows)}. Nothing was erased. If all of it shall go, with its figures, goals and share links, add --yes.`,
      })
    }
    const { redisKeyPrefix: prefix, sites: settings, retentionArchiveDir } = config
    const { id } = yield* deploymentIdentity(postgres)
    const tell = (kind: Kind) => announceChange(redis, metrics, prefix, id, kind)
    const receipt = yield* eraseSite(
      {
        ...{ postgres, redis, metrics, prefix, settings },
        changed: Effect.andThen(tell("sites"), tell("access")),
      },
      WHO,
      slug,
      now(),
    ).pipe(
      Effect.mapError((error) =>
        error._tag === "SiteRefused" ? new CommandError({ message: SENTENCES[error.reason] }) : error,
      ),
    )
    const { goals, share_links, keys, removed, complete } = receipt
    yield* Console.log(`${slug} was erased: ${saidOf(receipt)}.`)
    yield* Console.log(`besides\t${goals} goals, ${share_links} share links, ${keys} keys`)
    for (const line of receiptLines(receipt)) yield* Console.log(line)
    yield* Console.log(
      removed ? `${slug} is no site any more.` : `${slug} stands empty, for SITES has it, and takes events.`,
    )
    if (!complete) yield* Console.log("Not all of it is gone yet: the nodes go on with it by themselves.")
    if (retentionArchiveDir !== null) yield* eraseFromArchives(stores, retentionArchiveDir)
  })
