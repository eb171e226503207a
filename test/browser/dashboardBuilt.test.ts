import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { filesIn, ROOT, read } from "../support/documents.ts"
import { temporaryFolder } from "../support/index.ts"
import { bytesOf, startDashboardNode } from "./dashboardPage.ts"

const MAX_BYTES = 150 * 1024

describe("the built page", () => {
  test("is what its sources say", () => {
    const outDir = temporaryFolder()
    // Without the test runner's NODE_ENV, which would make it a development build.
    const { NODE_ENV: _, ...env } = process.env
    execFileSync("npx", ["vite", "build", "src/dashboard", "--outDir", outDir, "--logLevel", "error"], {
      cwd: ROOT,
      env,
    })
    for (const path of filesIn("src/dashboard/built", "").filter((each) => /\.\w+$/.test(each))) {
      const made = readFileSync(join(outDir, path.replace("src/dashboard/built/", "")), "utf8")
      expect(made === read(path), `${path} is out of date: run npm run build:dashboard.`).toBe(true)
    }
  })

  test("takes less than 150 KB", async () => {
    const node = await startDashboardNode()
    const sizes = await Promise.all(
      ["/", ...["dashboard.js", "world.txt", "dashboard.css"].map((file) => `/assets/${file}`)].map((path) =>
        bytesOf(`${node.url}${path}`),
      ),
    )
    const total = sizes.reduce((sum, bytes) => sum + bytes, 0)
    expect(total).toBeLessThan(MAX_BYTES)
  })
})
