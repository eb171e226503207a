import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, test } from "vitest"
import { ROOT, read } from "../support/documents.ts"
import { NODES } from "../support/programs.ts"
import { newFolder, removeFolder } from "../support/temporaryFolder.ts"

describe("the packed SDK in an empty folder", () => {
  const folder = newFolder()
  const run = (file: string, args: ReadonlyArray<string>) =>
    execFileSync(file, args, { cwd: folder, encoding: "utf8" })

  beforeAll(() => {
    execFileSync("npm", ["run", "--silent", "pack:sdk", "--", folder], { cwd: ROOT })
    const [packed = ""] = readdirSync(folder)
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
