/** What was erased is forgotten in what retention has archived, too. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { forgetInArchives } from "../events/retention/index.ts"
import { erasedAfter } from "../privacy/journal.ts"
import { LOCKS } from "../stores/locks.ts"
import { CommandError } from "./error.ts"
import type { CommandStores } from "./stores.ts"

const TRY_LOCK = `SELECT pg_try_advisory_xact_lock(${LOCKS.retention}) AS locked`

/** Takes what is in the journal out of the archives, and prints how many events went. No retention runs meanwhile. */
export const eraseFromArchives = ({ postgres }: CommandStores, folder: string) =>
  Effect.gen(function* () {
    const session = yield* postgres.session("erase_archives")
    yield* session.begin()
    yield* session.query("SET LOCAL idle_in_transaction_session_timeout = 0")
    const { rows } = yield* session.query<{ locked: boolean }>(TRY_LOCK)
    if (rows[0]?.locked !== true)
      return yield* new CommandError({
        message: "Retention is running and archives events: run `erase archives` when it has finished.",
      })
    const isErased = yield* erasedAfter(postgres)
    const gone = yield* forgetInArchives(folder, ({ visitorId, site, createdAt }) =>
      isErased(visitorId, site, createdAt),
    )
    yield* Console.log(`${gone} events went from the archives in ${folder}.`)
  }).pipe(Effect.scoped)
