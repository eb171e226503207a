/**
 * The command line: `serve` (also without a command), and what {@link file://./commands/cli.ts} adds. Serving loads no
 * more than it needs, so that an idle node stays small.
 */
import { runMain } from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { loadConfig } from "./config/settings.ts"
import { loggingLayer } from "./runtime/logging.ts"

// Whoever reads the log, or stands behind a pipe, may end before this does; without a listener that would end it, too.
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

/** What stops a program is told in one sentence; a defect keeps its stack. */
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
      // A node that was told to stop and did is a success.
      const interrupted =
        exit._tag === "Failure" && exit.cause.reasons.every((reason) => reason._tag === "Interrupt")
      onExit(exit._tag === "Success" || interrupted ? 0 : 1)
    },
  },
)
