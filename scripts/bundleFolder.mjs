// Where the server's bundles are. Plain JavaScript, because what starts the server must not load what reads TypeScript.
import { createHash } from "node:crypto"
import { accessSync, constants, globSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** The folder with the bundles of a project. @param {string} root the project's folder */
const cacheOf = (root) => join(root, "node_modules/.cache/server")

/** One line that imports the newest bundle, or else the sources. @param {string} root the project's folder */
export const entryOf = (root) => join(cacheOf(root), "main.js")

/** @param {string} folder */
export const isWritable = (folder) => {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/**
 * The folder of the current sources' bundle, named by a hash of everything that goes into it.
 *
 * @param {string} root the project's folder
 */
export const bundleFolder = (root) => {
  const hash = createHash("sha256")
  const sources = globSync("src/**/*.ts", {
    cwd: root,
    exclude: ["src/dashboard/**", "src/tracker/**"],
  }).sort()
  for (const file of [...sources, "package.json", "package-lock.json", "scripts/bundle.ts"])
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update("\0")
  return join(cacheOf(root), hash.digest("hex").slice(0, 16))
}
