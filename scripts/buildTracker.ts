/**
 * Builds the tracker: `src/tracker/built`, the core and the parts that it loads on demand, each one file without spaces and comments.
 * What depends on the deployment stays as `{{name}}`; the server fills it in.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"

const ROOT = join(import.meta.dirname, "..")

/** The parts by their files, and what they are loaded as. */
const PARTS = { main: "iife", options: "esm", heatmap: "esm" } as const

/** A block keeps names from the page's as a function does, and is shorter. */
const inBlock = (code: string): string => code.trim().replace(/^\(function\(\)\{(.*)\}\)\(\);$/s, "{$1}")

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
    const { output } = await build.generate({ format, minify: true, comments: false })
    writeFileSync(join(dir, `${name}.js`), inBlock(output[0].code))
  }
}

if (import.meta.main) await buildTracker(join(ROOT, "src/tracker/built"))
