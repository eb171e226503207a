// Checks that the files of uWebSockets.js are those that were published (uwsFiles.json), and makes its binaries load on a Linux
// whose glibc is older than the 2.38 they were linked with (Debian 12, Ubuntu 22.04). They need 2.38 only for three C23 variants
// of old functions: __isoc23_strtol, __isoc23_strtoul and __isoc23_sscanf, which differ from the old ones only in accepting
// binary literals ("0b1"). So the dynamic symbol table is changed to ask for the old names, and the version record GLIBC_2.38
// for the oldest version of that platform. Nothing is changed if glibc is new enough, nor on other systems. npm runs this after
// an install; running it again changes nothing.
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const NEEDED_VERSION = "GLIBC_2.38"
const C23_PREFIX = "__isoc23_"
const RENAMED = ["strtol", "strtoul", "sscanf"].map((name) => C23_PREFIX + name)

/** The version that an architecture's first glibc gave all its symbols. @type {Record<string, string>} */
export const OLDEST_GLIBC_VERSION = { x64: "GLIBC_2.2.5", arm64: "GLIBC_2.17" }

// Section types of ELF (elf.h). Both architectures are 64-bit little-endian.
const SHT_DYNSYM = 11
const SHT_GNU_VERNEED = 0x6ffffffe
const SHT_GNU_VERSYM = 0x6fffffff

/** The System V ELF hash, which version records store next to the name. @param {string} name */
const elfHash = (name) => {
  let hash = 0
  for (const byte of Buffer.from(name)) {
    hash = (hash << 4) + byte
    const high = hash & 0xf0000000
    if (high !== 0) hash ^= high >>> 24
    hash &= ~high
  }
  return hash >>> 0
}

/** @param {Buffer} elf */
const sectionsOf = (elf) => {
  if (elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1)
    throw new Error("not a 64-bit little-endian ELF file")
  const start = Number(elf.readBigUInt64LE(0x28))
  const size = elf.readUInt16LE(0x3a)
  return Array.from({ length: elf.readUInt16LE(0x3c) }, (_, index) => {
    const at = start + index * size
    return {
      type: elf.readUInt32LE(at + 4),
      offset: Number(elf.readBigUInt64LE(at + 24)),
      size: Number(elf.readBigUInt64LE(at + 32)),
      link: elf.readUInt32LE(at + 40),
    }
  })
}

/**
 * Patches one binary in place. Returns whether anything changed. Throws, without changing anything, if another symbol
 * needs glibc 2.38: the patch would then only postpone the failure.
 *
 * @param {Buffer} elf
 * @param {string} oldestVersion the name in OLDEST_GLIBC_VERSION for the binary's architecture
 */
export const patchElf = (elf, oldestVersion) => {
  const sections = sectionsOf(elf)
  /** @param {number} type */
  const section = (type) => {
    const found = sections.find((candidate) => candidate.type === type)
    if (found === undefined) throw new Error(`no section of type 0x${type.toString(16)}`)
    return found
  }
  const symbols = section(SHT_DYNSYM)
  const versions = section(SHT_GNU_VERSYM)
  const needs = section(SHT_GNU_VERNEED)
  const strings = sections[symbols.link]
  if (strings === undefined) throw new Error("the symbol table has no strings")
  /** @param {number} index */
  const stringAt = (index) =>
    elf.toString("latin1", strings.offset + index, elf.indexOf(0, strings.offset + index))

  const records = []
  for (let file = needs.offset; ; ) {
    for (let record = file + elf.readUInt32LE(file + 8); ; ) {
      const name = elf.readUInt32LE(record + 8)
      records.push({ at: record, index: elf.readUInt16LE(record + 6), name, text: stringAt(name) })
      const next = elf.readUInt32LE(record + 12)
      if (next === 0) break
      record += next
    }
    const next = elf.readUInt32LE(file + 12)
    if (next === 0) break
    file += next
  }
  const tooNew = records.filter((record) => record.text === NEEDED_VERSION)
  if (tooNew.length === 0) return false
  const oldest = records.find((record) => record.text === oldestVersion)
  if (oldest === undefined) throw new Error(`it does not refer to ${oldestVersion}`)

  const renamed = []
  for (let symbol = 0; symbol * 24 < symbols.size; symbol++) {
    const version = elf.readUInt16LE(versions.offset + symbol * 2)
    if (!tooNew.some((record) => record.index === version)) continue
    const at = symbols.offset + symbol * 24
    const name = stringAt(elf.readUInt32LE(at))
    if (!RENAMED.includes(name)) throw new Error(`its symbol ${name} needs ${NEEDED_VERSION}`)
    renamed.push(at)
  }
  for (const at of renamed) elf.writeUInt32LE(elf.readUInt32LE(at) + C23_PREFIX.length, at)
  for (const { at } of tooNew) {
    elf.writeUInt32LE(elfHash(oldestVersion), at)
    elf.writeUInt32LE(oldest.name, at + 8)
  }
  return true
}

/**
 * What to do about uWebSockets.js on a machine: nothing, patch it, or give up with a sentence.
 *
 * @param {{ platform: string, arch: string, glibc: string | undefined }} machine
 * @returns {{ patch: boolean } | { unsupported: string }}
 */
export const planFor = ({ platform, arch, glibc }) => {
  const supported = { linux: ["x64", "arm64"], darwin: ["x64", "arm64"], win32: ["x64"] }
  if (!Object.entries(supported).some(([name, list]) => name === platform && list.includes(arch)))
    return {
      unsupported: `uWebSockets.js has no build for ${platform} on ${arch}; it runs on Linux, macOS and Windows.`,
    }
  if (platform !== "linux") return { patch: false }
  if (glibc === undefined)
    return {
      unsupported:
        "uWebSockets.js needs glibc, and this Linux has another C library (musl?); use Debian, Ubuntu, Fedora or a like image.",
    }
  const [major = 0, minor = 0] = glibc.split(".").map(Number)
  return { patch: major < 2 || (major === 2 && minor < 38) }
}

/**
 * The SHA-256 of each file, hexadecimal: of all as they were published, and of the Linux binaries after `patchElf`.
 *
 * @typedef {{ version: string, published: Record<string, string>, patched: Record<string, string> }} FileList
 */

export const LIST = new URL("uwsFiles.json", import.meta.url)

/** @returns {FileList} */
export const listedFiles = () => JSON.parse(readFileSync(LIST, "utf8"))

/** @param {Uint8Array} bytes */
export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex")

/** The version of the package in a folder. @param {string} folder @returns {string} */
export const versionIn = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version

/**
 * What is wrong with the files that a machine would run: the binaries for its platform, and what is for all platforms.
 *
 * @param {string} folder where the package is installed
 * @param {{ platform: string, arch: string }} machine
 * @param {FileList} list
 * @returns {string | undefined} a sentence; `undefined` when they are as published, or as patched
 */
export const foreignFile = (folder, { platform, arch }, list) => {
  const version = versionIn(folder)
  if (version !== list.version)
    return `uWebSockets.js ${version} is installed, and scripts/uwsFiles.json has the hashes of ${list.version}: see scripts/uwsFiles.mjs.`
  for (const name of readdirSync(folder)) {
    if (name.startsWith("uws_") && !name.startsWith(`uws_${platform}_${arch}_`)) continue
    const hash = sha256(readFileSync(join(folder, name)))
    const known = [list.published, list.patched].flatMap((of) => (Object.hasOwn(of, name) ? [of[name]] : []))
    if (!known.includes(hash))
      return (
        `${join(folder, name)} is not what was published with uWebSockets.js ${version} (its SHA-256 is ${hash}, ` +
        `expected was ${known[0] ?? "no such file"}). It has not been touched. Delete that folder and run "npm ci"; if the ` +
        `file is the same again, the package or the way to it cannot be trusted.`
      )
  }
  return undefined
}

/**
 * Checks the installed files, and patches the binaries for this machine if necessary.
 *
 * @param {string} root the project's folder
 * @returns {string | undefined} a sentence if a file is not what was published, or if a patch is impossible
 */
export const patchInstalledBinaries = (root) => {
  const { platform, arch } = process
  const plan = planFor({ platform, arch, glibc: platform === "linux" ? runtimeGlibc() : undefined })
  if ("unsupported" in plan) return plan.unsupported
  const folder = join(root, "node_modules/uWebSockets.js")
  if (!existsSync(folder)) return undefined
  const foreign = foreignFile(folder, process, listedFiles())
  if (foreign !== undefined) return foreign
  const oldest = OLDEST_GLIBC_VERSION[arch]
  if (!plan.patch || oldest === undefined) return undefined
  for (const name of readdirSync(folder).filter(
    (file) => file.startsWith(`uws_linux_${arch}_`) && file.endsWith(".node"),
  )) {
    const path = join(folder, name)
    const binary = readFileSync(path)
    try {
      if (!patchElf(binary, oldest)) continue
    } catch (error) {
      return `${name} cannot be made to load on glibc older than 2.38: ${error instanceof Error ? error.message : error}.`
    }
    // A running server has the old file mapped; a new file under the same name does not affect the mapping.
    const fresh = `${path}.${process.pid}`
    writeFileSync(fresh, binary, { mode: statSync(path).mode })
    renameSync(fresh, path)
  }
  return undefined
}

/** The version of the C library this process runs on; undefined on musl. @returns {string | undefined} */
const runtimeGlibc = () => {
  // Without this, the report looks up the names of connected hosts.
  Object.assign(process.report, { excludeNetwork: true })
  const report = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport())
  return report.header.glibcVersionRuntime
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const failure = patchInstalledBinaries(fileURLToPath(new URL("..", import.meta.url)))
  if (failure !== undefined) {
    console.error(failure)
    process.exitCode = 1
  }
}
