import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/stores.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    reporters: ["default", "json", "./test/support/skipped.ts"],
    outputFile: { json: "coverage/report.json" },
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      // Run in browsers, where the tests of test/browser drive them.
      exclude: ["src/dashboard/model/{connection,read,settings,store}.ts", "src/dashboard/vite.config.ts"],
      reporter: ["text-summary", "json-summary"],
      // Coverage clears its folder at the start, and the JSON report of the run is beside it.
      clean: false,
      thresholds: { lines: 85 },
    },
  },
})
