import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { expect, test } from "vitest"
import {
  listedFiles,
  OLDEST_GLIBC_VERSION,
  patchElf,
  patchInstalledBinaries,
  planFor,
  sha256,
} from "../../scripts/patchUws.mjs"
import { ROOT } from "../support/documents.ts"
import { temporaryFolder } from "../support/index.ts"

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

/** A project with what is installed here of uWebSockets.js for this machine and its Node. */
const installed = () => {
  const root = temporaryFolder()
  const copy = join(root, "node_modules/uWebSockets.js")
  mkdirSync(copy, { recursive: true })
  const ours = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`
  for (const name of readdirSync(folder))
    if (!name.startsWith("uws_") || name === ours) cpSync(join(folder, name), join(copy, name))
  return { root, copy, binary: join(copy, ours) }
}

const appendTo = (path: string) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from([0])]))

test("the list has every file of the installed version, by the hash that it was published with or is patched to", () => {
  const { version, published, patched } = listedFiles()
  const lock: { packages: Record<string, { version: string }> } = JSON.parse(
    readFileSync(join(ROOT, "package-lock.json"), "utf8"),
  )
  expect(lock.packages["node_modules/uWebSockets.js"]?.version).toBe(version)
  const names = readdirSync(folder)
  expect(Object.keys(published).toSorted()).toEqual(names.toSorted())
  for (const name of names)
    expect([published[name], patched[name]]).toContain(sha256(readFileSync(join(folder, name))))
})

test("patching what was published makes what the list calls patched", () => {
  const name = `uws_linux_${foreign}_137.node`
  const binary = published()
  expect(sha256(binary)).toBe(listedFiles().published[name])
  patchElf(binary, oldest)
  expect(sha256(binary)).toBe(listedFiles().patched[name])
})

test("files as they were published and patched are taken", () => {
  expect(patchInstalledBinaries(installed().root)).toBeUndefined()
})

test("a binary that is not what was published is refused in a sentence, and left as it is", () => {
  const { root, binary } = installed()
  appendTo(binary)
  const before = readFileSync(binary)
  expect(patchInstalledBinaries(root)).toMatch(
    new RegExp(
      `^${binary} is not what was published with uWebSockets.js ${listedFiles().version} \\(its SHA-256 is ${sha256(before)}, expected was [0-9a-f]{64}\\)\\.`,
    ),
  )
  expect(readFileSync(binary).equals(before)).toBe(true)
})

test("a loader that is not what was published, or a binary of no published name, is refused", () => {
  const changed = installed()
  appendTo(join(changed.copy, "uws.js"))
  expect(patchInstalledBinaries(changed.root)).toContain("uws.js is not what was published")
  const added = installed()
  writeFileSync(join(added.copy, `uws_${process.platform}_${process.arch}_999.node`), "")
  expect(patchInstalledBinaries(added.root)).toContain("expected was no such file")
})

test("another version than that of the list is refused", () => {
  const { root, copy } = installed()
  writeFileSync(join(copy, "package.json"), '{"version":"20.99.0"}')
  expect(patchInstalledBinaries(root)).toContain("uWebSockets.js 20.99.0 is installed")
})

test("an install with a file that was not published ends with the sentence and no stack", () => {
  const { root, binary } = installed()
  appendTo(binary)
  cpSync(join(ROOT, "scripts"), join(root, "scripts"), { recursive: true })
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "scripts/patchUws.mjs")], {
    encoding: "utf8",
  })
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" })
  expect(stderr).toMatch(/^\S+ is not what was published .*\n$/)
})
