import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { read } from "../support/documents.ts"
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
