/** `export`: whole days of events as files for other programs. */
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { type BucketAddress, loadObjectStorage } from "../config/objectStorage.ts"
import type { AppConfig } from "../config/settings.ts"
import type { Day } from "../domain/period.ts"
import { openBucket } from "../export/bucket.ts"
import { type ExportedDay, exportDays, type Outcome } from "../export/export.ts"
import { type Format, makeNdjson, makeParquet } from "../export/files.ts"
import { openFolder } from "../export/folder.ts"
import { openDatabase } from "../query/engine/index.ts"
import { CommandError } from "./error.ts"
import type { CommandStores } from "./stores.ts"

export interface ExportCommand {
  readonly format: Format
  /** A folder or a bucket. */
  readonly to: string | BucketAddress
  /** `null` for all. */
  readonly site: string | null
  /** The first and the last day; `null` for all. */
  readonly from: Day | null
  readonly until: Day | null
}

/** What is told of a day on stderr; `null` for nothing. */
const WORDS: { readonly [O in Outcome]: string | null } = {
  written: "written",
  again: "written again",
  removed: "removed: no event is left",
  unchanged: null,
  expired: "not written: some of its events have expired",
}

const describe = (days: ReadonlyArray<ExportedDay>): string => {
  const numberOf = (...outcomes: ReadonlyArray<Outcome>) =>
    days.filter(({ outcome }) => outcomes.includes(outcome)).length
  const written = days.filter(({ outcome }) => outcome === "written" || outcome === "again")
  const events = written.reduce((sum, day) => sum + day.events, 0)
  const [removed, expired] = [numberOf("removed"), numberOf("expired")]
  return [
    `${written.length} days written, of ${events} events`,
    `${numberOf("unchanged")} were there already`,
    ...(removed > 0 ? [`${removed} removed`] : []),
    ...(expired > 0 ? [`${expired} not written, whose events have expired in part`] : []),
  ].join("; ")
}

/** Where files are made that go to a bucket. */
const WORK_FOLDER = "exports"

const open = (to: ExportCommand["to"], dataDir: string) =>
  typeof to === "string"
    ? openFolder(to)
    : Effect.flatMap(loadObjectStorage, (storage) =>
        openBucket({ address: to, storage, workFolder: join(dataDir, WORK_FOLDER) }),
      )

/** Exports what is missing or has changed, telling each day on stderr, and prints how much that was. */
export const exportTo = (
  { queryMemory, dataDir }: AppConfig,
  { postgres }: CommandStores,
  { to, ...command }: ExportCommand,
  now: () => number,
) =>
  Effect.gen(function* () {
    const { format, from, until } = command
    if (from !== null && until !== null && from > until)
      return yield* new CommandError({ message: `--from is ${from}, which is after --until, ${until}.` })
    const target = yield* open(to, dataDir)
    const makeFile =
      format === "ndjson" ? makeNdjson : makeParquet(yield* openDatabase(target.work, queryMemory))
    const days: Array<ExportedDay> = []
    const onDay = (exported: ExportedDay) =>
      Effect.suspend(() => {
        days.push(exported)
        const { site, day, events, outcome } = exported
        const words = WORDS[outcome]
        return words === null ? Effect.void : Console.error(`${site}  ${day}  ${events} events ${words}`)
      })
    yield* exportDays({ ...command, postgres, target, makeFile, now, onDay })
    yield* Console.log(`${describe(days)}. The days are in ${target.name}.`)
  })
