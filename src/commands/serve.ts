/** `serve`: runs a node until it is told to stop, and prints where it answers. */

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { type AppConfig, isExposed } from "../config/settings.ts"
import { STOP_DEADLINE_MS } from "../config/stopBudget.ts"
import { API_PATH, nodeUrl, WEBSOCKET_PATH } from "../domain/paths.ts"
import { type RunningNode, startNode } from "../node/node.ts"
import { giveBackWhenIdle } from "../runtime/idleMemory.ts"

/**
 * Completes when nobody wants to wait for a drain: at a SIGINT, which comes from a terminal where no balancer is, and at a second
 * signal of any kind.
 */
const impatience = Effect.gen(function* () {
  const impatient = yield* Deferred.make<void>()
  let signals = 0
  const hear = (signal: NodeJS.Signals) => {
    signals++
    if (signal === "SIGINT" || signals > 1) Deferred.doneUnsafe(impatient, Effect.void)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      process.on("SIGINT", hear)
      process.on("SIGTERM", hear)
    }),
    () =>
      Effect.sync(() => {
        process.removeListener("SIGINT", hear)
        process.removeListener("SIGTERM", hear)
      }),
  )
  return Deferred.await(impatient)
})

/** Nobody has chosen that, and others can connect. */
const OPEN_TO_ALL = Effect.logWarning(
  "access: everybody who reaches this node may see its figures: set ACCESS to private, or to public if that is as it should be",
)

/** How the link for the first owner is told. Nobody may manage anything before there is one, whoever may see the figures. */
const firstOwner = (link: string, { access }: AppConfig): string => {
  const why =
    access === "private"
      ? "who sees the figures, and lets others in"
      : "who manages sites, goals and keys; the figures are open to everybody"
  return `  first owner  ${link}\n               ${why}\n`
}

/** Says to stdout where the node is. */
const banner = (node: RunningNode, config: AppConfig) =>
  Effect.gen(function* () {
    const url = nodeUrl(config.host, node.port) + config.basePath
    process.stdout.write(
      [
        `maicivy-analytics is ready (${node.stores.description})`,
        `  dashboard  ${url}/`,
        `  API        ${url}${API_PATH}`,
        `  WebSocket  ${url.replace("http", "ws")}${WEBSOCKET_PATH}`,
        `  metrics    ${url}/metrics`,
        "",
      ].join("\n"),
    )
    const setup = yield* node.setupToken
    if (setup !== null) process.stdout.write(firstOwner(`${url}/login#setup=${setup}`, config))
    if (isExposed(config)) yield* OPEN_TO_ALL
  })

/** Runs until interrupted (SIGTERM, SIGINT). Prints a banner to stdout once the node answers. */
export const serveUntilStopped = (config: AppConfig) =>
  Effect.scoped(
    Effect.gen(function* () {
      const impatient = yield* impatience
      let deadline: NodeJS.Timeout | undefined
      // Registered first, it runs last: nothing is left to wait for.
      yield* Effect.addFinalizer(() => Effect.sync(() => clearTimeout(deadline)))
      const node = yield* startNode(config, { actorsIn: "thread", now: Date.now })
      yield* giveBackWhenIdle
      // Before anybody knows of the node: a signal may follow the first line of its banner.
      yield* Effect.addFinalizer(() =>
        Effect.logInfo("stopping").pipe(
          Effect.andThen(Effect.raceFirst(node.drain, impatient)),
          Effect.andThen(
            Effect.sync(() => {
              deadline = setTimeout(() => {
                process.stderr.write("the stop took too long and is cut short\n")
                process.exit(1)
              }, STOP_DEADLINE_MS)
              deadline.unref()
            }),
          ),
        ),
      )
      yield* banner(node, config)
      return yield* Effect.never
    }),
  )
