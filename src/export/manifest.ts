/** What has been exported of a site: beside its days, a file that tells of each one which content it has. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ExportError } from "./error.ts"
import type { ExportFolder } from "./folder.ts"

const FORMAT = 1

const Exported = Schema.Struct({
  /** Of the day's content. */
  version: Schema.String,
  events: Schema.Int,
  bytes: Schema.Int,
})

/** A file as it was written. */
export type Exported = typeof Exported.Type

const Manifest = Schema.Struct({
  format: Schema.Literal(FORMAT),
  /** The id of the deployment. */
  deployment: Schema.String,
  /** By their paths beside the manifest. */
  files: Schema.Record(Schema.String, Exported),
})

/** The folder of a site; named so that its slug is a column for whoever reads the folder above. */
export const siteFolder = (site: string): string => `site=${site}`

/** A name that programs which read tables skip. */
const pathOf = (site: string): string => `${siteFolder(site)}/_manifest.json`

/** The files of a site that a folder has, by their paths below the site's folder. */
export class SiteManifest {
  readonly #folder: ExportFolder
  readonly #site: string
  readonly #deployment: string
  readonly #files: Map<string, Exported>

  private constructor(folder: ExportFolder, site: string, deployment: string, files: Map<string, Exported>) {
    this.#folder = folder
    this.#site = site
    this.#deployment = deployment
    this.#files = files
  }

  /** Reads it. Fails where it is damaged, or the folder is another deployment's. */
  static read(
    folder: ExportFolder,
    site: string,
    deployment: string,
  ): Effect.Effect<SiteManifest, ExportError> {
    return Effect.gen(function* () {
      const path = pathOf(site)
      const text = yield* folder.read(path)
      if (text === null) return new SiteManifest(folder, site, deployment, new Map())
      const found = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Manifest))(text).pipe(
        Effect.mapError(
          () =>
            new ExportError({
              message: `${folder.path}/${path} is no manifest of an export that this version knows: remove it, and every day is written again.`,
            }),
        ),
      )
      if (found.deployment !== deployment)
        return yield* new ExportError({
          message: `${folder.path} has what another deployment exported: name another folder.`,
        })
      return new SiteManifest(folder, site, deployment, new Map(Object.entries(found.files)))
    })
  }

  get files(): ReadonlyMap<string, Exported> {
    return this.#files
  }

  /** Notes what a file has, or with `null` that it has gone. */
  note(file: string, exported: Exported | null): Effect.Effect<void, ExportError> {
    return Effect.suspend(() => {
      if (exported === null) this.#files.delete(file)
      else this.#files.set(file, exported)
      const files = Object.fromEntries([...this.#files].sort(([a], [b]) => (a < b ? -1 : 1)))
      const text = JSON.stringify({ format: FORMAT, deployment: this.#deployment, files }, null, 1)
      return Effect.asVoid(this.#folder.write(pathOf(this.#site), `${text}\n`))
    })
  }
}
