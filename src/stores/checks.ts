/** Looks at Postgres before anything runs, as checkRedis.ts does at Redis: versions that cannot work stop the start, settings that endanger data warn. */

import { TaggedError } from "effect/Data"
import * as Effect from "effect/Effect"
import type { Postgres } from "./postgres.ts"

/** A store that cannot be used, in one sentence that says what to do. */
export class UnusableStore extends TaggedError("UnusableStore")<{ readonly message: string }> {}

/** A setting of a store that endangers events which were acknowledged. */
export interface StoreWarning {
  /** A sentence for the operator: what is so, and what to set. */
  readonly text: string
  /** Whether an ordinary restart may already lose them, rather than a power failure that was reckoned with. */
  readonly grave: boolean
}

/** Says which server it is that cannot be used and why, without user and password. */
export const unusable = (setting: string, url: string, reason: string): UnusableStore => {
  const { protocol, host, pathname } = new URL(url)
  return new UnusableStore({
    message: `${setting} ${protocol}//${host}${pathname} cannot be used: ${reason.replace(/\.$/, "")}.`,
  })
}

/** Checks the version of Postgres and the settings that decide whether a commit is durable; returns what endangers data. */
export const checkPostgres = (
  postgres: Postgres,
  url: string,
): Effect.Effect<
  { readonly server: string; readonly warnings: ReadonlyArray<StoreWarning> },
  UnusableStore
> =>
  Effect.gen(function* () {
    const [row] = yield* postgres
      .query<{
        version: string
        version_num: number
        fsync: string
        synchronous_commit: string
      }>(
        "check",
        `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS version_num,
              current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit`,
      )
      .pipe(
        Effect.mapError((error) => unusable("DATABASE_URL", url, error.message.replace(/^Postgres: /, ""))),
      )
    if (row === undefined || row.version_num < 150000) {
      return yield* new UnusableStore({
        message: `DATABASE_URL is a PostgreSQL ${row?.version ?? "of unknown version"}: PostgreSQL 15 or newer is needed.`,
      })
    }
    const warnings: Array<StoreWarning> = []
    for (const setting of ["fsync", "synchronous_commit"] as const) {
      if (row[setting] === "off") {
        warnings.push({
          text: `PostgreSQL's ${setting} is off, so a crash may lose events that were applied: set ${setting} on.`,
          grave: true,
        })
      }
    }
    return { server: `postgres ${row.version}`, warnings }
  })
