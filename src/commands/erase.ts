/** `erase`: a visitor is forgotten everywhere, also in what retention has archived. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { noteIn } from "../access/accounts.ts"
import type { AppConfig } from "../config/settings.ts"
import { Calendar } from "../domain/period.ts"
import { eraseVisitor } from "../privacy/erase.ts"
import { eraseFromArchives } from "./eraseArchives.ts"
import { CommandError } from "./error.ts"
import { receiptLines } from "./receipt.ts"
import { sitesOf } from "./sites.ts"
import type { CommandStores } from "./stores.ts"

/** Who the audit log says it was. */
const WHO = "command"

/** Erases a visitor, or, for `archives`, only takes those who have been erased out of the archives. */
export const erase = (config: AppConfig, stores: CommandStores, visitor: string, now: () => number) =>
  Effect.gen(function* () {
    const { retentionArchiveDir, redisKeyPrefix: prefix, timeZone } = config
    if (visitor !== "archives") {
      const sites = [...(yield* sitesOf(config, stores.postgres)).declared]
      const receipt = yield* eraseVisitor(
        { ...stores, prefix, sites, calendar: new Calendar(timeZone), now, note: noteIn },
        WHO,
        visitor,
      )
      yield* Console.log(`${receipt.events + receipt.dead_letters} events of ${visitor} were erased.`)
      for (const { site, events, first_at, last_at } of receipt.sites)
        yield* Console.log(`${site}\t${events} events, ${first_at} to ${last_at}`)
      for (const line of receiptLines(receipt)) yield* Console.log(line)
    }
    if (retentionArchiveDir !== null) yield* eraseFromArchives(stores, retentionArchiveDir)
    else if (visitor === "archives")
      return yield* new CommandError({
        message:
          "There are no archives: RETENTION_ARCHIVE_DIR should be the folder that the nodes archive to.",
      })
  })
