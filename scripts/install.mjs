// Makes a fresh clone ready to run: `npm ci` if node_modules is missing or differs from package-lock.json, else nothing.
// Every npm script runs it first, on whatever Node the machine has. The scripts after it run on the pinned Node that the
// `node` package puts in node_modules/.bin. A command line that continues after this one looks it up with `env`, because
// a shell remembers where it found the first one. Plain JavaScript, because that first Node may not read TypeScript.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

const OLDEST_NODE = 20
const root = fileURLToPath(new URL("..", import.meta.url))

/**
 * Whether what npm recorded as installed matches the lockfile. npm writes `node_modules/.package-lock.json` last, so an
 * interrupted install never looks finished. Optional packages are for other platforms and may be missing.
 *
 * @param {Record<string, LockedPackage>} locked
 * @param {Record<string, LockedPackage>} installed
 * @typedef {{ version?: string, integrity?: string, optional?: boolean }} LockedPackage
 */
export const installationMatches = (locked, installed) =>
  Object.entries(locked).every(([path, wanted]) => {
    if (path === "") return true
    const found = installed[path]
    if (found === undefined) return wanted.optional === true
    return found.version === wanted.version && found.integrity === wanted.integrity
  }) && Object.keys(installed).every((path) => path in locked)

/** @param {string} path */
const packagesOf = (path) => JSON.parse(readFileSync(join(root, path), "utf8")).packages ?? {}

const isReady = () => {
  const runtime = process.platform === "win32" ? "node.cmd" : "node"
  if (!existsSync(join(root, "node_modules/.bin", runtime))) return false
  if (!existsSync(join(root, "node_modules/.package-lock.json"))) return false
  return installationMatches(packagesOf("package-lock.json"), packagesOf("node_modules/.package-lock.json"))
}

/**
 * Runs `npm ci` on the Node that runs the outer npm, because the one in node_modules/.bin is deleted and written again.
 * Development packages are included whatever NODE_ENV says, because the pinned Node is one of them. Warnings are not
 * shown: most say that a package wants a newer Node than npm's own, which is not the one the package will run on.
 */
const npmCi = () => {
  const environment = { ...process.env }
  const pathKey = Object.keys(environment).find((key) => key.toUpperCase() === "PATH") ?? "PATH"
  environment[pathKey] = (environment[pathKey] ?? "")
    .split(delimiter)
    .filter((entry) => !entry.includes(join("node_modules", ".bin")))
    .join(delimiter)
  const options = ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"]
  const { npm_node_execpath: node, npm_execpath: npm } = process.env
  const run = { cwd: root, env: environment, stdio: /** @type {const} */ ("inherit") }
  const outerNpm = node !== undefined && npm !== undefined && !node.startsWith(join(root, "node_modules"))
  const result = outerNpm
    ? spawnSync(node, [npm, ...options], run)
    : spawnSync("npm", options, { ...run, shell: process.platform === "win32" })
  if (result.error) return `npm could not be run: ${result.error.message}`
  if (result.status !== 0)
    return `npm ci failed (${result.signal ?? `exit code ${result.status}`}); its messages are above.`
  if (!isReady())
    return "npm ci ended well, but node_modules is not what package-lock.json asks for. Is ignore-scripts set in an .npmrc?"
  return undefined
}

const install = () => {
  if (Number(process.versions.node.split(".")[0]) < OLDEST_NODE)
    return `Node ${process.versions.node} is too old: Node ${OLDEST_NODE} or newer is needed (Debian: nodesource.com, or nvm install --lts).`
  if (isReady()) return undefined
  console.error("Installing packages (once; later starts skip this) …")
  return npmCi()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const failure = install()
  if (failure !== undefined) {
    console.error(failure)
    process.exitCode = 1
  }
}
