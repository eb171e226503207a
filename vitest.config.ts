import { availableParallelism } from "node:os"
import { configDefaults, defineConfig } from "vitest/config"
import { enginesFromBundle } from "./test/support/engines.ts"
import { LongestFirst } from "./test/support/longestFirst.ts"

const filesIn = (...folders: ReadonlyArray<string>) => folders.map((folder) => `test/${folder}/**/*.test.ts`)

/** Folders whose tests only call functions: they leave nothing behind, and have no need of stores, nor of a process for each file. */
const PURE = filesIn("config", "dashboard", "domain", "enrichment", "live", "metrics", "query/language")

/** Folders whose tests leave nothing behind in their process either, but need stores. */
const SHARING = filesIn(
  "actors",
  "aggregates",
  "commands",
  "events",
  "export",
  "privacy",
  "rebuild",
  "runtime",
  "sdk",
  "server",
  "sites",
  "stores",
  "stream",
  "tools",
)

/** What all kinds of tests go by. */
const COMMON = {
  pool: "forks",
  // Tests wait for stores and processes a part of their time, so that two more than there are cores keep all busy.
  maxWorkers: Math.min(availableParallelism() + 2, 8),
  // Ends what hangs. No test judges how fast a machine is.
  testTimeout: 600_000,
  hookTimeout: 600_000,
} as const

/** Starts the stores, once for a run. */
const STORES = "test/support/stores.ts"

/** Makes pictures for the documents, when they are asked for. */
const PICTURES = process.env.SCREENSHOTS === undefined ? ["test/browser/dashboardPictures.test.ts"] : []

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [enginesFromBundle],
        test: {
          ...COMMON,
          globalSetup: STORES,
          name: "stores",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...PICTURES, ...PURE, ...SHARING],
        },
      },
      {
        plugins: [enginesFromBundle],
        test: { ...COMMON, globalSetup: STORES, name: "sharing", include: SHARING, isolate: false },
      },
      { test: { ...COMMON, name: "pure", include: PURE, isolate: false } },
    ],
    sequence: { sequencer: LongestFirst },
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
