/** Query engines of nodes within the test's process. */
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import type { Plugin } from "vite"
import { bundleFolder } from "../../scripts/bundleFolder.mjs"
import { ROOT } from "./documents.ts"

const STARTER = join(ROOT, "src/query/engine/process.ts")
const THIS = fileURLToPath(import.meta.url)
const ENTRY = 'new URL("./entry.ts", import.meta.url)'

/**
 * What a node within the test's process starts as its engine: the bundle of the current sources, as users' nodes do, since it starts
 * with a quarter of the work. Sources that have changed since the set-up made the bundle are run themselves.
 */
export const engineEntry = (): URL => {
  const bundled = join(bundleFolder(ROOT), "query.js")
  return pathToFileURL(existsSync(bundled) ? bundled : join(dirname(STARTER), "entry.ts"))
}

/** Lets nodes ask for {@link engineEntry}, when they start an engine: what is transformed is kept for later runs, of other sources. */
export const enginesFromBundle: Plugin = {
  name: "engines-from-bundle",
  enforce: "pre",
  transform(code, id) {
    if (id !== STARTER) return null
    if (!code.includes(ENTRY)) throw new Error(`${STARTER} has no ${ENTRY}`)
    const asked = code.replace(ENTRY, "engineEntry()")
    // On its first line, so that no line moves.
    return { code: `import { engineEntry } from ${JSON.stringify(THIS)};${asked}`, map: null }
  },
}

/** Processes that this one has started and that run the engine. */
export const engines = (): ReadonlyArray<number> =>
  execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)], { encoding: "utf8" })
    .split("\n")
    .filter((line) => /\/query(?:\.js|\/engine\/entry\.ts)$/.test(line))
    .map((line) => Number.parseInt(line, 10))
