// Writes uwsFiles.json: the hashes by which patchUws.mjs knows the files of uWebSockets.js, of each as it was published, and of
// the Linux binaries as patched. After a change of the package's version, compare the files with upstream's (docs/operations.md)
// and then renew the list from them as they were published:
//
//   npm install --ignore-scripts && node scripts/uwsFiles.mjs --write && node scripts/patchUws.mjs
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { LIST, listedFiles, OLDEST_GLIBC_VERSION, patchElf, sha256, versionIn } from "./patchUws.mjs"

/**
 * The hashes of a folder with the files as they were published.
 *
 * @param {string} folder
 * @returns {import("./patchUws.mjs").FileList}
 */
export const listFiles = (folder) => {
  /** @type {import("./patchUws.mjs").FileList} */
  const list = { version: versionIn(folder), published: {}, patched: {} }
  for (const name of readdirSync(folder).sort()) {
    const bytes = readFileSync(join(folder, name))
    list.published[name] = sha256(bytes)
    const oldest = OLDEST_GLIBC_VERSION[/^uws_linux_(\w+?)_\d+\.node$/.exec(name)?.[1] ?? ""]
    if (oldest !== undefined && patchElf(bytes, oldest)) list.patched[name] = sha256(bytes)
  }
  return list
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv.includes("--write")) {
  const list = listFiles(fileURLToPath(new URL("../node_modules/uWebSockets.js", import.meta.url)))
  const patched = Object.values(listedFiles().patched)
  if (Object.values(list.published).some((hash) => patched.includes(hash))) {
    console.error('The installed binaries have been patched; run "npm ci --ignore-scripts" first.')
    process.exitCode = 1
  } else writeFileSync(LIST, `${JSON.stringify(list, null, 2)}\n`)
}
