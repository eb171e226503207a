/**
 * Packs the SDK alone, so that a sender installs about 40 KB and not the server's packages. `npm run pack:sdk -- <folder>`
 * (default: the project's own) writes `maicivy-analytics-<version>.tgz` there. It is built twice, for `import` and for `require`,
 * because Node before 20.19, Jest and TypeScript's `node16` take no module for the latter.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const ROOT = fileURLToPath(new URL("..", import.meta.url))
const PACKAGE = join(ROOT, "dist")

const { name, version, license, engines, repository } = JSON.parse(
  readFileSync(join(ROOT, "package.json"), "utf8"),
)

const SDK = {
  import: { types: "./sdk/index.d.ts", default: "./sdk/index.js" },
  require: { types: "./cjs/index.d.ts", default: "./cjs/index.js" },
}

const manifest = {
  ...{ name, version, license },
  description:
    "Sends events to maicivy-analytics from Node and browsers, and counts the pages that a server answers with",
  keywords: ["analytics", "express", "fastify", "hono", "koa", "middleware", "page views", "self-hosted"],
  // Where the code is: npm compares it with the place that a provenance statement names.
  ...(repository === undefined ? {} : { repository }),
  type: "module",
  main: "./cjs/index.js",
  module: "./sdk/index.js",
  types: "./cjs/index.d.ts",
  exports: {
    ".": SDK,
    "./sdk": SDK,
    "./tracker": {
      import: { types: "./tracker.d.ts", default: "./tracker.js" },
      require: { types: "./tracker.d.cts", default: "./tracker.cjs" },
    },
    "./package.json": "./package.json",
  },
  files: ["sdk", "cjs", "tracker.*", "CHANGELOG.md"],
  sideEffects: false,
  engines,
  publishConfig: { access: "public", provenance: true },
}

/** TypeScript before its fifth version reads no declaration that imports a `.ts`. */
const nameJavaScript = (folder: string) => {
  for (const file of readdirSync(folder).filter((each) => each.endsWith(".d.ts"))) {
    const path = join(folder, file)
    writeFileSync(path, readFileSync(path, "utf8").replaceAll(/(from "\.\/\w+)\.ts"/g, '$1.js"'))
  }
}

const build = (folder: string, ...options: ReadonlyArray<string>) => {
  const outDir = join(PACKAGE, folder)
  const tsc = join(ROOT, "node_modules/.bin/tsc")
  execFileSync(tsc, ["--project", join(ROOT, "src/sdk"), "--outDir", outDir, ...options], {
    stdio: "inherit",
  })
  nameJavaScript(outDir)
}

/** What the project's changelog says of the SDK. */
const changes = (): string =>
  readFileSync(join(ROOT, "CHANGELOG.md"), "utf8")
    .split(/^(?=#{1,3} )/m)
    .map((section) => {
      const [heading = "", ...rest] = section.split("\n")
      if (heading.startsWith("# ")) return "# Changelog\n"
      const items = rest.join("\n").split(/^(?=- )/m)
      const ours = items.filter((item) => /^- SDK\b/.test(item)).map((item) => `${item.trimEnd()}\n`)
      return heading.startsWith("## ") || ours.length > 0 ? `${heading}\n\n${ours.join("")}` : ""
    })
    .filter((section) => section !== "")
    .map((section) => section.trimEnd())
    .join("\n\n")

rmSync(PACKAGE, { recursive: true, force: true })
mkdirSync(PACKAGE, { recursive: true })
build("sdk")
build("cjs", "--module", "commonjs", "--moduleResolution", "bundler", "--verbatimModuleSyntax", "false")
writeFileSync(join(PACKAGE, "cjs/package.json"), '{ "type": "commonjs" }\n')
writeFileSync(join(PACKAGE, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`)
writeFileSync(join(PACKAGE, "CHANGELOG.md"), `${changes()}\n`)
cpSync(join(ROOT, "src/sdk/README.md"), join(PACKAGE, "README.md"))
// The types are all there is: what is imported for them at run time is empty.
for (const [types, code, text] of [
  ["tracker.d.ts", "tracker.js", "export {}\n"],
  ["tracker.d.cts", "tracker.cjs", ""],
] as const) {
  cpSync(join(ROOT, "src/tracker/tracker.d.ts"), join(PACKAGE, types))
  writeFileSync(join(PACKAGE, code), text)
}
const destination = resolve(process.argv[2] ?? ROOT)
execFileSync("npm", ["pack", PACKAGE, "--pack-destination", destination, "--silent"], { stdio: "inherit" })
