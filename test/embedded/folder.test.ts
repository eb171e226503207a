import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { closeToOthers } from "../../src/embedded/folder.ts"
import { lockDataDir } from "../../src/embedded/index.ts"
import { run } from "../support/effects.ts"
import { temporaryFolder } from "../support/index.ts"
import { wantsFileModes } from "../support/wants.ts"

const modeOf = (path: string): number => statSync(path).mode & 0o777

/** A folder as the last release left it. */
const earlierFolder = (): string => {
  const dataDir = join(temporaryFolder(), "data")
  mkdirSync(join(dataDir, "redis/appendonlydir"), { recursive: true })
  for (const file of [
    "redis/redis.conf",
    "redis/appendonlydir/appendonly.aof.1.incr.aof",
    "lock",
    "write-key",
  ])
    writeFileSync(join(dataDir, file), "secret")
  for (const name of ["", ...readdirSync(dataDir, { recursive: true, encoding: "utf8" })]) {
    const path = join(dataDir, name)
    chmodSync(path, statSync(path).isDirectory() ? 0o755 : 0o644)
  }
  return dataDir
}

describe("a data folder", wantsFileModes, () => {
  test("that is locked is closed to others, with all that is in it", async () => {
    const dataDir = earlierFolder()
    await run(Effect.scoped(lockDataDir(dataDir)))
    for (const folder of ["", "redis", "redis/appendonlydir"])
      expect(modeOf(join(dataDir, folder))).toBe(0o700)
    for (const file of readdirSync(dataDir, { recursive: true, withFileTypes: true }))
      if (file.isFile()) expect(modeOf(join(file.parentPath, file.name))).toBe(0o600)
  })

  test("that is new is its owner's, with the lock", async () => {
    const dataDir = join(temporaryFolder(), "new", "data")
    await run(
      Effect.scoped(
        Effect.andThen(
          lockDataDir(dataDir),
          Effect.sync(() => expect([modeOf(dataDir), modeOf(join(dataDir, "lock"))]).toEqual([0o700, 0o600])),
        ),
      ),
    )
  })

  test("that others use as well keeps its mode, and so does what is theirs", () => {
    const dataDir = earlierFolder()
    writeFileSync(join(dataDir, "redis.sock"), "")
    chmodSync(join(dataDir, "redis.sock"), 0o666)
    expect(closeToOthers(dataDir)).toEqual([])
    expect(modeOf(dataDir)).toBe(0o755)
    expect(modeOf(join(dataDir, "redis.sock"))).toBe(0o666)
    expect(modeOf(join(dataDir, "redis"))).toBe(0o700)
    expect(modeOf(join(dataDir, "write-key"))).toBe(0o600)
  })

  test("closes a store's folder that is a link, and follows no other link", () => {
    const dataDir = earlierFolder()
    const elsewhere = temporaryFolder()
    for (const name of ["postgres", "outside"]) {
      mkdirSync(join(elsewhere, name))
      chmodSync(join(elsewhere, name), 0o755)
    }
    symlinkSync(join(elsewhere, "postgres"), join(dataDir, "postgres"))
    symlinkSync(join(elsewhere, "outside"), join(dataDir, "redis/link"))
    expect(closeToOthers(dataDir)).toEqual([])
    expect(modeOf(join(elsewhere, "postgres"))).toBe(0o700)
    expect(modeOf(join(elsewhere, "outside"))).toBe(0o755)
  })
})
