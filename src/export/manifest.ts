/** What has been exported of a site: beside its days, a file that tells of each one which content it has. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ExportError } from "./error.ts"
import type { ExportTarget } from "./target.ts"

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

/** The files of a site that were exported, by their paths below the site's folder. */
export class SiteManifest {
  readonly #target: ExportTarget
  readonly #site: string
  readonly #deployment: string
  readonly #files: Map<string, Exported>

  private constructor(target: ExportTarget, site: string, deployment: string, files: Map<string, Exported>) {
    this.#target = target
    this.#site = site
    this.#deployment = deployment
    this.#files = files
  }

  /** Reads it. Fails where it is damaged, or the folder is another deployment's. */
  static read(
    target: ExportTarget,
    site: string,
    deployment: string,
  ): Effect.Effect<SiteManifest, ExportError> {
    return Effect.gen(function* () {
      const path = pathOf(site)
      const text = yield* target.read(path)
      if (text === null) return new SiteManifest(target, site, deployment, new Map())
      const found = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Manifest))(text).pipe(
        Effect.mapError(
          () =>
            new ExportError({
              message: `${target.name}/${path} is no manifest of an export that this version knows: remove it, and every day is written again.`,
            }),
        ),
      )
      if (found.deployment !== deployment)
        return yield* new ExportError({
          message: `${target.name} has what another deployment exported: name another place.`,
        })
      return new SiteManifest(target, site, deployment, new Map(Object.entries(found.files)))
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
      return Effect.asVoid(this.#target.write(pathOf(this.#site), `${text}\n`))
    })
  }
}
