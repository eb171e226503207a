/** Other versions of this program: the one before the newest migration, from git, and one with one more migration. */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const MIGRATIONS = "src/events/schema/migrations"

const git = (root: string, ...args: Array<string>): string | null => {
  const done = spawnSync("git", ["-C", root, ...args], { encoding: "utf8" })
  return done.status === 0 ? done.stdout.trim() : null
}

const MIGRATION = /(?:^|\/)migrations\/(\d{3}_\w+\.sql)$/

/** Names of the migrations among paths, in order. */
const migrationsIn = (paths: ReadonlyArray<string>): ReadonlyArray<string> =>
  paths.flatMap((path) => MIGRATION.exec(path)?.[1] ?? []).sort()

/**
 * The last commit with all migrations but the newest ones, `null` if it is not in the history. Not every commit before those will do: on
 * the way, two may have had the same number, or one another name.
 */
const previousCommit = (root: string): string | null => {
  const now = migrationsIn(readdirSync(join(root, MIGRATIONS)).map((file) => `migrations/${file}`))
  const areEarlier = (names: ReadonlyArray<string>) =>
    names.length > 0 && names.length < now.length && names.every((name, i) => name === now[i])
  // Wherever the files were then: folders get renamed, migrations do not.
  const changes = git(root, "log", "--format=%H", "--", ":(glob)src/**/*.sql")?.split("\n") ?? []
  for (const change of changes) {
    const before = git(root, "rev-parse", "--verify", `${change}^`)
    const paths = before === null ? null : git(root, "ls-tree", "-r", "--name-only", before, "src")
    if (before !== null && paths !== null && areEarlier(migrationsIn(paths.split("\n")))) return before
  }
  return null
}

/** Why the previous version is not available; `null` if it is. */
export const whyNoPreviousVersion = (root: string): string | null =>
  previousCommit(root) === null ? "it needs the repository's history" : null

/** The sources of the previous version in their own folder, run with this version's packages. */
export const previousVersion = (root: string, folder: string): string => {
  const target = join(folder, "previous-version")
  mkdirSync(target, { recursive: true })
  const archive = spawnSync(
    "git",
    ["-C", root, "archive", previousCommit(root) ?? "", "src", "package.json"],
    {
      maxBuffer: 1024 ** 3,
    },
  )
  const unpacked = spawnSync("tar", ["-x", "-C", target], { input: archive.stdout })
  if (archive.status !== 0 || unpacked.status !== 0) throw new Error(`no previous version: ${archive.stderr}`)
  symlinkSync(join(root, "node_modules"), join(target, "node_modules"))
  return target
}

/** A copy of the program with one more migration. */
export const nextVersion = (root: string, folder: string): string => {
  const target = join(folder, "next-version")
  if (existsSync(target)) return target
  mkdirSync(target, { recursive: true })
  for (const each of ["src", "package.json"])
    cpSync(join(root, each), join(target, each), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(target, "node_modules"))
  // Any migration will do, because each one fences the actors of older versions.
  writeFileSync(
    join(target, MIGRATIONS, "900_next.sql"),
    "CREATE TABLE next_version (only_row boolean PRIMARY KEY DEFAULT true);\n",
  )
  return target
}
