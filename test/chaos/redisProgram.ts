/** A server's program other than this machine's own: another release's, or of a system that is unpacked in a folder. */
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join, resolve } from "node:path"
import { UsageError } from "../../src/config/arguments.ts"

/** Where a system keeps it. */
const PLACES = ["redis-server", "valkey-server"].flatMap((name) => [
  join("usr", "bin", name),
  join("bin", name),
  name,
])

const programAt = (path: string): string => {
  const found =
    existsSync(path) && statSync(path).isDirectory() ? PLACES.map((each) => join(path, each)) : [path]
  const program = found.find(existsSync)
  if (program === undefined)
    throw new UsageError(`--redis is ${path}: there is no redis-server or valkey-server.`)
  return resolve(program)
}

/** The root of the system that a program belongs to, with its dynamic linker; `null` for this machine's. */
const systemOf = (program: string): { readonly linker: string; readonly libraries: string } | null => {
  for (let root = dirname(program); root !== "/"; root = dirname(root)) {
    const folder = join(root, "lib64")
    const linker = existsSync(folder)
      ? readdirSync(folder).find((name) => name.startsWith("ld-linux"))
      : undefined
    if (linker === undefined || !existsSync(join(root, "etc", "os-release"))) continue
    const libraries = ["lib", "usr/lib"].flatMap((each) =>
      [
        join(root, each),
        join(root, each, `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`),
      ].filter(existsSync),
    )
    return { linker: join(folder, linker), libraries: libraries.join(":") }
  }
  return null
}

/**
 * Puts the program at `path`, or in the system whose root folder that is, before all others of this process' PATH, under the name
 * by which a Redis is looked for.
 */
export const useRedis = (path: string, folder: string): void => {
  const program = programAt(path)
  const system = systemOf(program)
  const command =
    system === null
      ? `exec -a redis-server '${program}'`
      : `exec '${system.linker}' --argv0 redis-server --library-path '${system.libraries}' '${program}'`
  mkdirSync(folder, { recursive: true })
  const file = join(folder, "redis-server")
  writeFileSync(file, `#!/bin/bash\n${command} "$@"\n`)
  chmodSync(file, 0o755)
  process.env.PATH = `${folder}${delimiter}${process.env.PATH ?? ""}`
}
