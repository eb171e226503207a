/**
 * The command line: `serve` (also without a command), and what {@link file://./commands/cli.ts} adds. Serving loads no
 * more than it needs, to keep an idle node small.
 */
import { runMain } from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { loadConfig } from "./config/settings.ts"
import { loggingLayer } from "./runtime/logging.ts"

// The reader of a log or pipe may exit before this process does; without a listener that would end this one, too.
for (const output of [process.stdout, process.stderr]) output.on("error", () => {})

const args = process.argv.slice(2)

const serve = Effect.gen(function* () {
  const config = yield* loadConfig
  const { serveUntilStopped } = yield* Effect.promise(() => import("./commands/serve.ts"))
  yield* serveUntilStopped(config).pipe(Effect.provide(loggingLayer(config.logLevel)))
})

const commandLine = Effect.gen(function* () {
  const { runCommandLine } = yield* Effect.promise(() => import("./commands/cli.ts"))
  yield* runCommandLine(args)
})

const serving = args.length === 0 || (args.length === 1 && args[0] === "serve")

/** Prints why the program stops: a known error in its own words, a defect with its stack. */
const report = (error: unknown): void => {
  const known = error instanceof Error && "_tag" in error
  process.stderr.write(`${known ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
}

runMain(
  (serving ? serve : commandLine).pipe(
    Effect.tapCause((cause) =>
      Effect.gen(function* () {
        const { hasInterruptsOnly, squash } = yield* Effect.promise(() => import("effect/Cause"))
        if (!hasInterruptsOnly(cause)) report(squash(cause))
      }),
    ),
  ),
  {
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      // A node that stopped because it was told to has succeeded.
      const interrupted =
        exit._tag === "Failure" && exit.cause.reasons.every((reason) => reason._tag === "Interrupt")
      onExit(exit._tag === "Success" || interrupted ? 0 : 1)
    },
  },
)
