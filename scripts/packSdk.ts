/**
 * Packs the SDK alone, so that a sender installs about 20 KB and not the server's packages. `npm run pack:sdk -- <folder>`
 * (default: the project's own) writes `maicivy-analytics-<version>.tgz` there.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const ROOT = fileURLToPath(new URL("..", import.meta.url))
const PACKAGE = join(ROOT, "dist")

const { name, version, license, type, engines } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"))
const manifest = {
  ...{ name, version, license, type, engines },
  description:
    "Sends events to maicivy-analytics from Node and browsers, and counts the pages that a server answers with",
  exports: {
    "./sdk": { types: "./sdk/index.d.ts", default: "./sdk/index.js" },
    "./tracker": { types: "./tracker.d.ts" },
    "./package.json": "./package.json",
  },
  files: ["sdk", "tracker.d.ts"],
  sideEffects: false,
}

rmSync(PACKAGE, { recursive: true, force: true })
execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["--project", join(ROOT, "src/sdk")], { stdio: "inherit" })
mkdirSync(PACKAGE, { recursive: true })
writeFileSync(join(PACKAGE, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`)
cpSync(join(ROOT, "src/sdk/README.md"), join(PACKAGE, "README.md"))
cpSync(join(ROOT, "src/tracker/tracker.d.ts"), join(PACKAGE, "tracker.d.ts"))
const destination = resolve(process.argv[2] ?? ROOT)
execFileSync("npm", ["pack", PACKAGE, "--pack-destination", destination, "--silent"], { stdio: "inherit" })
