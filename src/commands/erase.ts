/** `erase`: a visitor is forgotten everywhere, also in what retention has archived. */
import { randomUUID } from "node:crypto"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Accounts } from "../access/accounts.ts"
import type { AppConfig } from "../config/settings.ts"
import { Calendar } from "../domain/period.ts"
import { eraseVisitor } from "../privacy/erase.ts"
import { eraseFromArchives } from "./eraseArchives.ts"
import { CommandError } from "./error.ts"
import { sitesOf } from "./sites.ts"
import type { CommandStores } from "./stores.ts"

/** Who the audit log says it was. */
const WHO = "command"

/** Erases a visitor, or, for `archives`, only takes those who have been erased out of the archives. */
export const erase = (config: AppConfig, stores: CommandStores, visitor: string, now: () => number) =>
  Effect.gen(function* () {
    const { retentionArchiveDir, redisKeyPrefix: prefix, partitions, timeZone } = config
    if (visitor !== "archives") {
      const sites = [...(yield* sitesOf(config, stores.postgres)).declared]
      const {
        deleted,
        deadLetters,
        sites: found,
      } = yield* eraseVisitor(
        { ...stores, prefix, partitions, sites, calendar: new Calendar(timeZone), now },
        visitor,
      )
      const receipt = randomUUID()
      yield* new Accounts(stores.postgres).note(WHO, "erased", `a visitor, receipt ${receipt}`)
      yield* Console.log(`${deleted} events of ${visitor} were erased.`)
      yield* Console.log(`receipt ${receipt}, ${new Date(now()).toISOString()}`)
      for (const { site, events, first_at, last_at } of found)
        yield* Console.log(`${site}\t${events} events, ${first_at} to ${last_at}`)
      if (deadLetters > 0) yield* Console.log(`dead letters\t${deadLetters}`)
    }
    if (retentionArchiveDir !== null) yield* eraseFromArchives(stores, retentionArchiveDir)
    else if (visitor === "archives")
      return yield* new CommandError({
        message:
          "There are no archives: RETENTION_ARCHIVE_DIR should be the folder that the nodes archive to.",
      })
  })
