/** PostgreSQL's first data, made once for a run: `initdb` takes 0.7 s of a processor, and a copy of its work 0.04 to 0.15 s. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { secretIn } from "../../src/config/secretFile.ts"
import { postgresProgram } from "../../src/embedded/postgres.ts"
import { findBinaries } from "../../src/embedded/postgresBinaries.ts"

const VARIABLE = "TEST_POSTGRES_TEMPLATE"

/** Makes the data in a folder, for processes that this one starts. */
export const makePostgresTemplate = (folder: string) =>
  Effect.gen(function* () {
    const password = secretIn(join(folder, "postgres.password"))
    yield* postgresProgram(yield* findBinaries, join(folder, "postgres"), password).prepare
    process.env[VARIABLE] = folder
  })

/**
 * Puts them, and their password, into a folder for an embedded PostgreSQL, which takes them for its own. Where a run of tests has made
 * none, it makes them itself.
 */
export const fromTemplate = (dataDir: string): string => {
  const template = process.env[VARIABLE]
  if (template === undefined) return dataDir
  const { status, stderr } = spawnSync("cp", ["-a", `${template}/.`, dataDir], { encoding: "utf8" })
  if (status !== 0) throw new Error(`PostgreSQL's data could not be copied: ${stderr}`)
  return dataDir
}
