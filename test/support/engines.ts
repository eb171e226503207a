/** Query engines of nodes within the test's process. */
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Plugin } from "vite"
import { bundleFolder } from "../../scripts/bundleFolder.mjs"
import { ROOT } from "./documents.ts"

const STARTER = join(ROOT, "src/query/engine/process.ts")
const ENTRY = 'new URL("./entry.ts", import.meta.url)'

/**
 * Lets nodes within the test's process start their engine from the bundle of the current sources, as users' nodes do: it starts with a
 * quarter of the work. Sources that have changed since the set-up made the bundle are run themselves.
 */
export const enginesFromBundle: Plugin = {
  name: "engines-from-bundle",
  enforce: "pre",
  transform(code, id) {
    if (id !== STARTER) return null
    if (!code.includes(ENTRY)) throw new Error(`${STARTER} has no ${ENTRY}`)
    const bundled = join(bundleFolder(ROOT), "query.js")
    if (!existsSync(bundled)) return null
    return { code: code.replace(ENTRY, `new URL("${pathToFileURL(bundled)}")`), map: null }
  },
}

/** Processes that this one has started and that run the engine. */
export const engines = (): ReadonlyArray<number> =>
  execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)], { encoding: "utf8" })
    .split("\n")
    .filter((line) => /\/query(?:\.js|\/engine\/entry\.ts)$/.test(line))
    .map((line) => Number.parseInt(line, 10))
