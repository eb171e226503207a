/** Looks through the parts that are kept while there is no engine. */
import * as Effect from "effect/Effect"
import type { Calendar } from "../../domain/period.ts"
import type { StoreError } from "../../stores/errors.ts"
import type { Postgres } from "../../stores/postgres.ts"
import { goneOf } from "./growingDay.ts"
import { type DiskError, namesIn, onDisk } from "./keptFiles.ts"
import { keepPartsWithout, keptPartsIn } from "./keptParts.ts"
import type { SiteDay } from "./siteDay.ts"

/**
 * Removes the parts in a folder that have chunks which are not there any more. An engine that starts meanwhile takes the folder away with
 * all that is in it.
 */
export const removeGoneParts = (
  folder: string,
  days: ReadonlyArray<SiteDay>,
  postgres: Postgres,
  calendar: Calendar,
): Effect.Effect<void, StoreError | DiskError> =>
  Effect.gen(function* () {
    for (const kept of keptPartsIn(folder, namesIn(folder))) {
      const day = days.find((each) => each.siteId === kept.siteId && each.day === kept.day)
      if (day === undefined || day.version === kept.version) continue
      const known = kept.parts.flatMap(({ chunks }) => [...chunks.keys()])
      const gone = yield* goneOf(postgres, calendar, day, known)
      yield* onDisk(async () => keepPartsWithout(folder, kept, gone))
    }
  })
