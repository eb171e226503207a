import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { installationMatches } from "../../scripts/install.mjs"

const locked = {
  "": { version: "0.1.0" },
  "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
  "node_modules/a-other-platform": { version: "1.0.0", integrity: "sha512-o", optional: true },
}
const installed = { "node_modules/a": { version: "1.0.0", integrity: "sha512-a" } }

test("an installation without other platforms' packages is complete", () => {
  expect(installationMatches(locked, installed)).toBe(true)
})

test("a missing, another or a superfluous package wants an installation", () => {
  expect(installationMatches(locked, {})).toBe(false)
  expect(installationMatches(locked, { "node_modules/a": { version: "1.0.1", integrity: "sha512-a" } })).toBe(
    false,
  )
  expect(installationMatches(locked, { "node_modules/a": { version: "1.0.0", integrity: "sha512-b" } })).toBe(
    false,
  )
  expect(installationMatches(locked, { ...installed, "node_modules/b": { version: "1.0.0" } })).toBe(false)
})

test("where everything is installed, the script does and says nothing", () => {
  const script = fileURLToPath(new URL("../../scripts/install.mjs", import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: "utf8" })
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" })
})
