/**
 * Exports whole days: a file for each site and day of the deployment's zone that has ended. A day is known by its content, so one that
 * is there already is skipped, and one that has changed since, by late events or an erasure, is written again. What retention has taken
 * from Postgres stays where it was exported.
 */
import * as Effect from "effect/Effect"
import { Calendar, type Day } from "../domain/period.ts"
import {
  deploymentIdentity,
  requireKnownSchema,
  type SchemaTooNew,
  storedDeployment,
} from "../events/schema/index.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Postgres } from "../stores/postgres.ts"
import type { ExportedRow } from "./columns.ts"
import { type Content, contentOf, eventsOfDay, keptSince, type SiteDay, storedDays } from "./days.ts"
import { ExportError } from "./error.ts"
import { FILE_NAMES, type Format, type MakeFile } from "./files.ts"
import { SiteManifest, siteFolder } from "./manifest.ts"
import type { ExportTarget } from "./target.ts"

/** What became of a day: its file is new, made again, gone with its last event, as it was; or not made, as events have expired. */
export type Outcome = "written" | "again" | "removed" | "unchanged" | "expired"

export interface ExportedDay {
  readonly site: string
  readonly day: Day
  readonly outcome: Outcome
  readonly events: number
}

export interface ExportOptions {
  readonly postgres: Postgres
  readonly target: ExportTarget
  readonly format: Format
  readonly makeFile: MakeFile
  /** One site; `null` for all. */
  readonly site: string | null
  /** The first and the last day; `null` for all. */
  readonly from: Day | null
  readonly until: Day | null
  /** Unix milliseconds. */
  readonly now: () => number
  /** Told each day when it is done. */
  readonly onDay: (day: ExportedDay) => Effect.Effect<void>
}

/** Events that are read at a time. */
const EVENTS_AT_A_TIME = 2000

const SELECT_SITES = "SELECT slug AS site, id FROM sites ORDER BY slug"

const pathOf = (day: Day, format: Format): string => `day=${day}/${FILE_NAMES[format]}`

const DAY_IN_PATH = /^day=(\d{4}-\d{2}-\d{2})\//

/** Tells what a day has, and makes its file where that is wanted; both from one snapshot. */
const readDay = (
  options: ExportOptions,
  of: SiteDay,
  calendar: Calendar,
  isWanted: (content: Content) => boolean,
) =>
  Effect.gen(function* () {
    const session = yield* options.postgres.session("export")
    yield* session.begin("snapshot")
    yield* session.query("SET LOCAL statement_timeout = 0")
    const content = yield* contentOf(session, of, calendar)
    if (!isWanted(content)) return { ...content, made: null }
    const { text, values } = eventsOfDay(of, calendar)
    const events = session.stream<ExportedRow>(text, values, EVENTS_AT_A_TIME)
    return { ...content, made: yield* options.makeFile(events, options.target.work) }
  }).pipe(Effect.scoped)

/** Brings a day's file up to date. */
const exportDay = (options: ExportOptions, of: SiteDay, calendar: Calendar, manifest: SiteManifest) =>
  Effect.gen(function* () {
    const { postgres, target, format } = options
    const file = pathOf(of.day, format)
    const path = `${siteFolder(of.site)}/${file}`
    const noted = manifest.files.get(file)
    const known = noted !== undefined && (yield* target.size(path)) === noted.bytes ? noted.version : null
    // A day that retention has taken events from is not the day any more.
    const isKept = Effect.map(
      keptSince(postgres, calendar, of.siteId),
      (since) => since === null || of.day >= since,
    )
    const mayBeMade = yield* isKept
    const { version, events, made } = yield* readDay(
      options,
      of,
      calendar,
      (content) => mayBeMade && content.events > 0 && content.version !== known,
    )
    // Asked again when the events have been read, as retention may have begun meanwhile.
    if (!(yield* isKept)) return { outcome: noted === undefined ? "expired" : "unchanged", events } as const
    if (made !== null) {
      const bytes = yield* target.put(path, made)
      yield* manifest.note(file, { version, events, bytes })
      return { outcome: noted === undefined ? "written" : "again", events } as const
    }
    if (events > 0 || noted === undefined) return { outcome: "unchanged", events } as const
    yield* target.remove(path)
    yield* manifest.note(file, null)
    return { outcome: "removed", events } as const
  })

/** The sites that are asked for. */
const sitesOf = ({ postgres, site: asked }: ExportOptions) =>
  Effect.gen(function* () {
    const all = yield* postgres.query<{ site: string; id: number }>("export", SELECT_SITES)
    const sites = all.filter(({ site }) => asked === null || site === asked)
    if (sites.length === 0 && asked !== null)
      return yield* new ExportError({
        message: `There is no site ${asked}: ${all.length === 0 ? "there are none." : `there is ${all.map(({ site }) => site).join(", ")}.`}`,
      })
    return sites
  })

/** Exports what is asked for, site by site and day by day. Ended at any point, it goes on where it was when it is run again. */
export const exportDays = (
  options: ExportOptions,
): Effect.Effect<void, StoreError | SchemaTooNew | ExportError> =>
  Effect.gen(function* () {
    const { postgres, target, format, from, until, now, onDay } = options
    yield* requireKnownSchema(postgres, "export")
    const { id } = yield* deploymentIdentity(postgres)
    const stored = yield* storedDeployment(postgres)
    const calendar = new Calendar(stored?.timeZone ?? "UTC")
    const today = calendar.dayOf(now())
    const days = yield* storedDays(postgres, calendar)
    for (const { site, id: siteId } of yield* sitesOf(options)) {
      const manifest = yield* SiteManifest.read(target, site, id)
      const exported = [...manifest.files.keys()]
        .filter((file) => file.endsWith(`/${FILE_NAMES[format]}`))
        .flatMap((file) => DAY_IN_PATH.exec(file)?.[1] ?? [])
      const wanted = [...new Set([...(days.get(site) ?? []), ...exported])]
        .filter((day) => day < today && (from === null || day >= from) && (until === null || day <= until))
        .sort()
      for (const day of wanted) {
        const done = yield* exportDay(options, { site, siteId, day }, calendar, manifest)
        if (done.events > 0 || done.outcome === "removed") yield* onDay({ site, day, ...done })
      }
    }
  })
