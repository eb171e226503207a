import { readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { expect, test } from "vitest"
import { OLDEST_GLIBC_VERSION, patchElf, patchInstalledBinaries, planFor } from "../../scripts/patchUws.mjs"
import { ROOT } from "../support/documents.ts"

const folder = join(ROOT, "node_modules/uWebSockets.js")

/** Binaries for the architecture that this machine has not are as they were published. */
const foreign = process.arch === "x64" ? "arm64" : "x64"
const published = () => readFileSync(join(folder, `uws_linux_${foreign}_137.node`))
const oldest = OLDEST_GLIBC_VERSION[foreign] ?? ""

test("a patched binary asks for no C23 symbol by its version and is otherwise the same", () => {
  const before = published()
  const after = Buffer.from(before)
  expect(patchElf(after, oldest)).toBe(true)
  expect(after.length).toBe(before.length)
  const changed = before.reduce((count, byte, at) => (byte === after[at] ? count : count + 1), 0)
  // Three name offsets and one version record: a hash and a name offset, of four bytes each at most.
  expect(changed).toBeGreaterThan(3)
  expect(changed).toBeLessThanOrEqual(5 * 4)
})

test("patching again changes nothing", () => {
  const binary = published()
  patchElf(binary, oldest)
  const once = Buffer.from(binary)
  expect(patchElf(binary, oldest)).toBe(false)
  expect(binary.equals(once)).toBe(true)
})

test("a binary that needs the new glibc for anything else is refused, unchanged", () => {
  const binary = published()
  const name = Buffer.from("__isoc23_strtoul\0")
  binary.write("__isoc23_strtoXX", binary.indexOf(name))
  const before = Buffer.from(binary)
  expect(() => patchElf(binary, oldest)).toThrow("its symbol __isoc23_strtoXX needs GLIBC_2.38")
  expect(binary.equals(before)).toBe(true)
})

test("what is no 64-bit ELF file is refused", () => {
  expect(() => patchElf(Buffer.alloc(64), oldest)).toThrow("not a 64-bit little-endian ELF file")
})

test("only a Linux with an older glibc is patched, and what cannot run says why", () => {
  expect(planFor({ platform: "linux", arch: "x64", glibc: "2.36" })).toEqual({ patch: true })
  expect(planFor({ platform: "linux", arch: "arm64", glibc: "2.35" })).toEqual({ patch: true })
  expect(planFor({ platform: "linux", arch: "x64", glibc: "2.38" })).toEqual({ patch: false })
  expect(planFor({ platform: "linux", arch: "x64", glibc: "2.41" })).toEqual({ patch: false })
  expect(planFor({ platform: "darwin", arch: "arm64", glibc: undefined })).toEqual({ patch: false })
  expect(planFor({ platform: "win32", arch: "x64", glibc: undefined })).toEqual({ patch: false })
  expect(planFor({ platform: "linux", arch: "x64", glibc: undefined })).toMatchObject({
    unsupported: expect.stringContaining("musl"),
  })
  expect(planFor({ platform: "linux", arch: "ppc64", glibc: "2.36" })).toMatchObject({
    unsupported: expect.stringContaining("linux on ppc64"),
  })
})

test("the installed uWebSockets.js loads, and a second patch leaves its files as they are", () => {
  const contents = () =>
    readdirSync(folder)
      .filter((name) => name.startsWith(`uws_${process.platform}_${process.arch}_`))
      .map((name) => readFileSync(join(folder, name)))
  const before = contents()
  expect(patchInstalledBinaries(ROOT)).toBeUndefined()
  expect(contents().every((content, index) => content.equals(before[index] ?? Buffer.alloc(0)))).toBe(true)
  expect(createRequire(import.meta.url)("uWebSockets.js").App).toBeTypeOf("function")
})
