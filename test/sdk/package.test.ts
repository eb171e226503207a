import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { publint } from "publint"
import { beforeAll, describe, expect, test } from "vitest"
import { ROOT, read } from "../support/documents.ts"
import { NODES } from "../support/programs.ts"
import { newFolder, removeFolder } from "../support/temporaryFolder.ts"

describe("the packed SDK in an empty folder", () => {
  const folder = newFolder()
  const run = (file: string, args: ReadonlyArray<string>) =>
    execFileSync(file, args, { cwd: folder, encoding: "utf8" })

  let packed = ""

  beforeAll(() => {
    execFileSync("npm", ["run", "--silent", "pack:sdk", "--", folder], { cwd: ROOT })
    ;[packed = ""] = readdirSync(folder)
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
    // It has no dependencies, so no registry is asked.
    run("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${packed}`])
    return () => removeFolder(folder)
  })

  test("brings no other package", () => {
    expect(readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."))).toEqual([
      "maicivy-analytics",
    ])
  })

  test.each(NODES)("is imported by %s", (node) => {
    const script = `
      import { Analytics, DEFAULT_SKIPPED, pageViews, visitorOf } from "maicivy-analytics/sdk"
      const analytics = new Analytics({ url: "http://127.0.0.1:9", flushOnShutdown: false })
      console.log(typeof pageViews(analytics), typeof visitorOf, DEFAULT_SKIPPED.includes("/api"))
      await analytics.close(1)`
    expect(run(node, ["--input-type=module", "--eval", script])).toBe("function function true\n")
  })

  test.each(NODES)("is required by %s, where another version was imported, too", (node) => {
    const script = `
      const { Analytics, pageViews } = require("maicivy-analytics/sdk")
      const analytics = new Analytics({ url: "http://127.0.0.1:9", flushOnShutdown: false })
      require("maicivy-analytics/tracker")
      import("maicivy-analytics").then((module) => {
        console.log(typeof pageViews(analytics), typeof module.pageViews(analytics))
        return analytics.close(1)
      })`
    expect(run(node, ["--input-type=commonjs", "--eval", script])).toBe("function function\n")
  })

  test("resolves as what it says it is, for every kind of importer", async () => {
    const archive = readFileSync(join(folder, packed))
    const buffer = archive.buffer.slice(archive.byteOffset, archive.byteOffset + archive.byteLength)
    const { messages } = await publint({ pack: { tarball: buffer } })
    expect(messages).toEqual([])
    const attw = join(ROOT, "node_modules/.bin/attw")
    // Fails, with a table of what resolves how, where something resolves wrongly.
    run(attw, [packed, "--no-definitely-typed"])
  })

  test("may be published, with where it was built", () => {
    const manifest = JSON.parse(
      readFileSync(join(folder, "node_modules/maicivy-analytics/package.json"), "utf8"),
    )
    expect(manifest.publishConfig).toEqual({ access: "public", provenance: true })
    // npm compares it with the repository that the package was built in.
    expect(manifest.repository).toEqual(JSON.parse(read("package.json")).repository)
    expect(manifest).not.toHaveProperty("private")
    expect(manifest).not.toHaveProperty("dependencies")
  })

  test("tells its own changes", () => {
    const changes = readFileSync(join(folder, "node_modules/maicivy-analytics/CHANGELOG.md"), "utf8")
    expect(changes).toMatch(/^# Changelog\n\n## Unreleased\n\n### /)
    expect(changes.split("\n").filter((line) => line.startsWith("- ") && !line.startsWith("- SDK"))).toEqual(
      [],
    )
  })

  test.each(["nodenext", "bundler"])("has types that resolve as %s", (moduleResolution) => {
    const module = moduleResolution === "bundler" ? "esnext" : moduleResolution
    const check = (source: string) => {
      writeFileSync(join(folder, "check.ts"), source)
      const tsc = join(ROOT, "node_modules/.bin/tsc")
      const options = ["--target", "es2022", "--lib", "es2022,dom", "--types", "", "--strict", "--noEmit"]
      return run(tsc, [...options, "--module", module, "--moduleResolution", moduleResolution, "check.ts"])
    }
    const use = (url: string) => `
      import { Analytics } from "maicivy-analytics/sdk"
      const id: string = new Analytics({ url: ${url} }).track("letter_generate", { letter_type: "motivation" })
      export { id }`
    expect(check(use('"https://analytics.example"'))).toBe("")
    expect(() => check(use("1"))).toThrow()
    const asks = (metric: string, page: string) => `
      import { query } from "maicivy-analytics/sdk"
      const options = { url: "https://analytics.example" }
      const { results } = await query({ metrics: ["${metric}"], dimensions: ["page"] }, options)
      const visitors: number | undefined = results[0]?.metrics[0]
      const page: ${page} | undefined = results[0]?.dimensions[0]
      export { page, visitors }`
    expect(check(asks("visitors", "string | null"))).toBe("")
    expect(() => check(asks("visitor", "string | null"))).toThrow()
    expect(() => check(asks("visitors", "string"))).toThrow()
    const track = (call: string) => `import type {} from "maicivy-analytics/tracker"\n${call}`
    expect(check(track('window.maicivy?.track("page_view", { a: 1 })'))).toBe("")
    expect(() => check(track('window.maicivy.track("page_view")'))).toThrow()
    expect(() => check(track("maicivy?.track(1)"))).toThrow()
  })

  test("has a README of its own, without a link that leads nowhere", () => {
    const readme = readFileSync(join(folder, "node_modules/maicivy-analytics/README.md"), "utf8")
    expect(readme).toBe(read("src/sdk/README.md"))
    expect(readme.match(/\]\((?!https:)[^)]*\)/g)).toBeNull()
  })
})
