// What `npm start` runs, after scripts/bundle.ts: the bundle of the current sources, or the sources themselves.
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { bundleFolder, entryOf, isWritable } from "./bundleFolder.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What bundle.ts has decided, if it could write that; else only the owner's bundle of these very sources will do. */
const program = () => {
  const entry = entryOf(root)
  if (isWritable(join(entry, "..")) && existsSync(entry)) return entry
  const bundled = join(bundleFolder(root), "main.js")
  return existsSync(bundled) ? bundled : join(root, "src/main.ts")
}

await import(pathToFileURL(program()).href)
