/** What a backup is: `manifest.json`, written last, names every other file of its folder. docs/backup.md describes the format. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { FILE_MODE } from "../embedded/index.ts"
import { BackupError } from "./error.ts"
import { Part } from "./parts.ts"

/** The format that this program writes, and the only one that it reads. */
export const FORMAT = 1

const MANIFEST = "manifest.json"

/** A table's rows, in the text format of Postgres' COPY. */
export const TablePart = Schema.Struct({
  ...Part.fields,
  name: Schema.String,
  columns: Schema.Array(Schema.String),
})
export type TablePart = typeof TablePart.Type

const Contents = Schema.Struct({
  format: Schema.Int,
  /** Version of the program that made it. */
  program: Schema.String,
  /** When it was begun: events that had been acknowledged by then are in it. ISO 8601. */
  made_at: Schema.String,
  deployment: Schema.Struct({
    /** `null` where the schema is too old to have one. */
    id: Schema.NullOr(Schema.String),
    partitions: Schema.Int,
    time_zone: Schema.String,
  }),
  schema: Schema.Struct({ version: Schema.Int, name: Schema.String }),
  /** Raw events in the tables. */
  events: Schema.Int,
  /** UTC days that have a table. */
  days: Schema.Array(Schema.String),
  /** In the order in which they can be filled. */
  tables: Schema.Array(TablePart),
  sequences: Schema.Array(
    Schema.Struct({ name: Schema.String, last: Schema.String, is_called: Schema.Boolean }),
  ),
  /** Events that were acknowledged and not yet in the tables, or just written to them; a file a partition. */
  waiting: Schema.Array(Schema.Struct({ ...Part.fields, partition: Schema.Int })),
  dead_letters: Part,
  /** Unique visitors of periods that go on and whose first raw events are gone: only Redis knows them. */
  visitors: Part,
})
export type Manifest = typeof Contents.Type

const Sealed = Schema.Struct({ ...Contents.fields, sha256: Schema.String })

const sealOf = (contents: unknown): string =>
  createHash("sha256").update(JSON.stringify(contents)).digest("hex")

/** Every file that a manifest names. */
export const partsOf = (manifest: Manifest): ReadonlyArray<Part> => [
  ...manifest.tables,
  ...manifest.waiting,
  manifest.dead_letters,
  manifest.visitors,
]

/** Writes the manifest, with a hash of itself, and waits until it is on disk. */
export const writeManifest = async (folder: string, manifest: Manifest): Promise<void> => {
  const handle = await open(join(folder, MANIFEST), "wx", FILE_MODE)
  try {
    await handle.writeFile(`${JSON.stringify({ ...manifest, sha256: sealOf(manifest) }, null, 2)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** The manifest of a folder. Fails where there is none, or one that is damaged or of another format. */
export const readManifest = (folder: string): Effect.Effect<Manifest, BackupError> =>
  Effect.gen(function* () {
    const path = join(folder, MANIFEST)
    const found: unknown = yield* Effect.try({
      try: () => JSON.parse(readFileSync(path, "utf8")),
      catch: (cause) =>
        new BackupError({ message: `${folder} is no backup: ${path} cannot be read (${reasonOf(cause)}).` }),
    })
    const format = typeof found === "object" && found !== null && "format" in found ? found.format : undefined
    if (typeof format === "number" && format !== FORMAT)
      return yield* new BackupError({
        message: `The backup in ${folder} is of format ${format}, and this program reads format ${FORMAT}: use the version that made it, or a newer one.`,
      })
    const { sha256, ...manifest } = yield* Schema.decodeUnknownEffect(Sealed)(found).pipe(
      Effect.mapError(
        (issue) => new BackupError({ message: `${path} is damaged: ${issue.message.split("\n")[0]}.` }),
      ),
    )
    if (sealOf(manifest) !== sha256)
      return yield* new BackupError({ message: `${path} is damaged: its SHA-256 differs from what it says.` })
    return manifest
  })
