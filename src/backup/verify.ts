/** Checks a backup: that every file is as it was written. */
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import { BackupError } from "./error.ts"
import { type Manifest, partsOf, readManifest } from "./manifest.ts"
import { problemOf } from "./parts.ts"

/** What a backup holds, once all of it has been read. Fails with every file that is missing or not as it was written. */
export const verifyBackup = (folder: string): Effect.Effect<Manifest, BackupError> =>
  Effect.gen(function* () {
    const path = resolve(folder)
    const manifest = yield* readManifest(path)
    const problems: Array<string> = []
    for (const part of partsOf(manifest)) {
      const problem = yield* Effect.promise(() => problemOf(path, part))
      if (problem !== null) problems.push(`${part.file} ${problem}`)
    }
    if (problems.length > 0)
      return yield* new BackupError({ message: `The backup in ${path} is damaged: ${problems.join("; ")}.` })
    return manifest
  })

const lines = (parts: ReadonlyArray<{ readonly lines: number }>): number =>
  parts.reduce((sum, part) => sum + part.lines, 0)

/** What a backup holds, in words. */
export const describeBackup = (manifest: Manifest): string => {
  const { deployment, schema } = manifest
  const bytes = partsOf(manifest).reduce((sum, part) => sum + part.bytes, 0)
  return [
    `made at     ${manifest.made_at} by version ${manifest.program}, schema ${schema.name}`,
    `deployment  ${deployment.id ?? "without an id"}, ${deployment.partitions} partitions, days of ${deployment.time_zone}`,
    `events      ${manifest.events} in ${manifest.days.length} days, up to ${lines(manifest.waiting)} that wait, ${manifest.dead_letters.lines} dead letters`,
    `rows        ${manifest.tables.map(({ name, lines: rows }) => `${name} ${rows}`).join(", ")}`,
    `size        ${bytes} bytes in ${partsOf(manifest).length} files`,
  ].join("\n")
}
