import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { ROOT, read } from "../support/documents.ts"
import { temporaryFolder } from "../support/index.ts"
import { runProgram } from "../support/programs.ts"
import { wantsProgram } from "../support/wants.ts"

describe("the unit", wantsProgram("systemd-analyze", "systemd", "--version"), () => {
  test("is one that systemd understands", () => {
    const project = temporaryFolder()
    mkdirSync(join(project, "node_modules/.bin"), { recursive: true })
    writeFileSync(join(project, "node_modules/.bin/node"), "", { mode: 0o755 })
    const unit = join(project, "maicivy-analytics.service")
    const verify = (text: string) => {
      writeFileSync(unit, text.replaceAll("/opt/maicivy-analytics", project))
      const { status, stderr } = runProgram("systemd-analyze", "verify", unit)
      return { status, stderr }
    }
    const text = read("infra/systemd/maicivy-analytics.service")
    expect(verify(text)).toEqual({ status: 0, stderr: "" })
    expect(verify(text.replace("KillMode=mixed", "KillMode=some")).stderr).toContain("some")
  })
})

test("a command runs with everything that the unit gives its node", () => {
  const bin = temporaryFolder()
  const arguments_ = join(bin, "arguments")
  // In place of systemd's own, which needs a running systemd.
  writeFileSync(join(bin, "systemd-run"), `#!/bin/sh\nprintf '%s\\n' "$@" >${arguments_}\n`, { mode: 0o755 })
  const script = join(ROOT, "infra/systemd/command")
  const { status } = runProgram("env", `PATH=${bin}:${process.env.PATH}`, script, "dead-letters", "list")
  expect(status).toBe(0)
  const given = readFileSync(arguments_, "utf8").trimEnd().split("\n")
  const unit = read("infra/systemd/maicivy-analytics.service")
  const settings = (...names: ReadonlyArray<string>) =>
    names.flatMap((name) => unit.match(new RegExp(`^${name}=.*$`, "gm")) ?? [])
  expect(given.filter((each) => each.startsWith("--property="))).toEqual(
    expect.arrayContaining(
      settings("DynamicUser", "StateDirectory", "WorkingDirectory", "Environment", "EnvironmentFile").map(
        (each) => `--property=${each}`,
      ),
    ),
  )
  // Without a User=, a DynamicUser is named after its unit.
  expect(given).toContain("--property=User=maicivy-analytics")
  expect(given.slice(-4).join(" ")).toBe(
    `${settings("ExecStart")[0]?.replace("ExecStart=", "")} dead-letters list`,
  )
})
