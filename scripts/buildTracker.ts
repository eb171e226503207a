/**
 * Builds the tracker: `src/tracker/built`, the core and the parts that it loads on demand, each one file without spaces and comments.
 * What depends on the deployment stays as `{{name}}`; the server fills it in.
 */
import { join } from "node:path"

const ROOT = join(import.meta.dirname, "..")

/** The parts by their files, and what they are loaded as. */
const PARTS = { main: "iife", options: "esm", heatmap: "esm" } as const

/** Writes the parts into a folder. */
export const buildTracker = async (dir: string): Promise<void> => {
  const { rolldown } = await import("rolldown")
  for (const [name, format] of Object.entries(PARTS)) {
    await using build = await rolldown({
      cwd: ROOT,
      input: `src/tracker/${name}.ts`,
      platform: "browser",
      transform: { target: "es2021" },
    })
    await build.write({ dir, format, minify: true, comments: false, entryFileNames: `${name}.js` })
  }
}

if (import.meta.main) await buildTracker(join(ROOT, "src/tracker/built"))
