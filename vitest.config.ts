import { availableParallelism } from "node:os"
import { configDefaults, defineConfig } from "vitest/config"
import { enginesFromBundle } from "./test/support/engines.ts"
import { LongestFirst } from "./test/support/longestFirst.ts"

/** Makes pictures for the documents, when they are asked for. */
const PICTURES = process.env.SCREENSHOTS === undefined ? ["test/browser/dashboardPictures.test.ts"] : []

export default defineConfig({
  plugins: [enginesFromBundle],
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...PICTURES],
    globalSetup: ["test/support/stores.ts"],
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    // Tests wait for stores and processes a part of their time, so that two more than there are cores keep all busy.
    maxWorkers: Math.min(availableParallelism() + 2, 8),
    // Ends what hangs. No test judges how fast a machine is.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    reporters: ["default", "json", "./test/support/skipped.ts"],
    outputFile: { json: "coverage/report.json" },
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      // Run in browsers, where the tests of test/browser drive them.
      exclude: [
        "src/dashboard/model/{connection,read,settings,store}.ts",
        "src/dashboard/vite.config.ts",
        "src/tracker/**",
      ],
      reporter: ["text-summary", "json-summary"],
      // Coverage clears its folder at the start, and the JSON report of the run is beside it.
      clean: false,
      thresholds: { lines: 85 },
    },
  },
})
