/** Finds a Redis or Valkey that is new enough, or installs Debian's. */
import * as Effect from "effect/Effect"
import { canInstall, installFromDebian } from "./debian.ts"
import { EmbeddedStoreError } from "./error.ts"
import { onPath, runProgram } from "./program.ts"

export interface RedisBinary {
  readonly file: string
  /** The name to call it by: one executable is the server, the checker and more, depending on its name. */
  readonly name: string
}

/** Script flags and multi-part append-only files came with Redis 7; Valkey was forked from it, and 8 is its second release. */
const OLDEST_MAJOR = { "redis-server": 7, "valkey-server": 8 } as const

/**
 * Where to look, in this order. Debian's redis-tools package contains the whole server under the name of its checker, without
 * the service, the user and the open port that the redis-server package would set up.
 */
const CANDIDATES = [
  { name: "redis-server", file: "redis-server" },
  { name: "valkey-server", file: "valkey-server" },
  { name: "redis-server", file: "redis-check-rdb" },
  { name: "valkey-server", file: "valkey-check-rdb" },
] as const

const DEBIAN_PACKAGES = ["redis-tools", "valkey-tools"]
const CHECK_WITHIN_MS = 300_000

/** A recent enough Redis of this machine. As root on Debian and its derivatives it is installed if there is none. */
export const findRedis: Effect.Effect<RedisBinary, EmbeddedStoreError> = Effect.suspend(() =>
  Effect.gen(function* () {
    const found = yield* Effect.promise(lookAround)
    if (found.usable !== undefined) return found.usable
    if (!canInstall()) return yield* unavailable(found.tooOld, undefined)
    yield* Effect.logInfo("no Redis on this machine: installing Debian's package")
    const failure = yield* Effect.promise(() => installFromDebian(DEBIAN_PACKAGES))
    const installed = yield* Effect.promise(lookAround)
    if (installed.usable !== undefined) return installed.usable
    return yield* unavailable(installed.tooOld, failure)
  }),
)

/** What is wrong with a snapshot, by this Redis' own checker; undefined when it is as it should be. */
export const checkSnapshot = async (
  { file, name }: RedisBinary,
  path: string,
): Promise<string | undefined> => {
  const { ok, output } = await runProgram(file, [path], {
    argv0: name.replace("server", "check-rdb"),
    timeout: CHECK_WITHIN_MS,
  })
  if (ok) return undefined
  const lines = output.trim().split("\n")
  return lines[lines.findIndex((line) => line.includes("RDB ERROR DETECTED")) + 1] ?? output.trim()
}

const unavailable = (
  tooOld: ReadonlyArray<string>,
  installFailure: string | undefined,
): Effect.Effect<never, EmbeddedStoreError> => {
  const why = tooOld.length > 0 ? `; too old: ${tooOld.join(", ")}` : ""
  const tried = installFailure === undefined ? "" : ` Installing it failed: ${installFailure}`
  return Effect.fail(
    new EmbeddedStoreError({
      store: "Redis",
      message:
        `No Redis 7 (or Valkey 8) or newer was found on the PATH${why}.${tried} Install one ` +
        `(Debian, Ubuntu: "apt-get install redis-tools"; Fedora: "dnf install valkey"; macOS: "brew install redis"), or set REDIS_URL.`,
    }),
  )
}

const lookAround = async (): Promise<{
  readonly usable: RedisBinary | undefined
  readonly tooOld: ReadonlyArray<string>
}> => {
  const tooOld: Array<string> = []
  for (const { name, file } of CANDIDATES) {
    const path = onPath(file)
    if (path === undefined) continue
    const answer = await runProgram(path, ["--version"], { argv0: name, timeout: 10_000 })
    const version = /\bv=(\d+)(\.\d+)*/.exec(answer.output)
    if (version !== null && Number(version[1]) >= OLDEST_MAJOR[name])
      return { usable: { name, file: path }, tooOld }
    if (version !== null) tooOld.push(`${path} ${version[0].slice(2)}`)
  }
  return { usable: undefined, tooOld }
}
