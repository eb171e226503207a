import { mkdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { secretIn, storedSecret } from "../../src/config/secretFile.ts"
import { temporaryFolder } from "../support/index.ts"

test("a secret is made with its folder at the first call, and is the same ever after", () => {
  const path = join(temporaryFolder(), "data", "key")
  expect(storedSecret(path)).toBeNull()
  const secret = secretIn(path)
  expect(secret.length).toBeGreaterThanOrEqual(32)
  expect(secretIn(path)).toBe(secret)
  expect(storedSecret(path)).toBe(secret)
})

test("a secret is readable by its owner only", () => {
  const path = join(temporaryFolder(), "key")
  secretIn(path)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test("a secret that another process has made meanwhile is taken, not replaced", () => {
  const path = join(temporaryFolder(), "key")
  const mine = () => {
    writeFileSync(path, "theirs\n")
    return "mine"
  }
  expect(secretIn(path, mine)).toBe("theirs")
})

test("a secret that cannot be read is not replaced either", () => {
  const path = join(temporaryFolder(), "key")
  mkdirSync(path)
  expect(() => secretIn(path)).toThrow("EISDIR")
})

test("a secret is not there where a folder of its path is a file, and cannot be made", () => {
  const file = join(temporaryFolder(), "file")
  writeFileSync(file, "")
  expect(storedSecret(join(file, "key"))).toBeNull()
  expect(() => secretIn(join(file, "key"))).toThrow(/EEXIST|ENOTDIR/)
})
