/** The command line within the test's process, on a deployment of the test's own. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as ConfigProvider from "effect/ConfigProvider"
import { CliConfig, CliOutput, Command, type HelpDoc } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { Redis } from "ioredis"
import { onTestFinished, vi } from "vitest"
import { GLOBAL_FLAGS, root, runCommandLine } from "../../src/commands/cli.ts"
import { freshKeyPrefix, migratedDatabase, redisUrl } from "./isolation.ts"

/** Runs a command with these settings. Resolves with what it printed, and what it failed with, if it did. */
export const attempt = async (
  settings: { readonly [name: string]: string },
  ...args: ReadonlyArray<string>
): Promise<{ readonly printed: string; readonly failure: unknown }> => {
  const lines: Array<string> = []
  const spies = (["log", "error"] as const).map((method) =>
    vi.spyOn(console, method).mockImplementation((...parts: ReadonlyArray<unknown>) => {
      lines.push(parts.join(" "))
    }),
  )
  try {
    const failure = await Effect.runPromise(
      runCommandLine(args).pipe(
        Effect.as(null),
        Effect.catch((error) => Effect.succeed<unknown>(error)),
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(settings))),
        Effect.provide(Logger.layer([])),
      ),
    )
    return { printed: lines.join("\n"), failure }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

/** Runs a command with these settings. Resolves with what it printed; rejects with what it failed with. */
export const runCommand = async (
  settings: { readonly [name: string]: string },
  ...args: ReadonlyArray<string>
): Promise<string> => {
  const { printed, failure } = await attempt(settings, ...args)
  if (failure !== null) throw failure
  return printed
}

/**
 * A command line with settings of the test's own, which it may change; `run` is {@link runCommand}. The database has every migration,
 * unless another one is given.
 */
export const commandLine = async (databaseUrl?: string) => {
  const prefix = freshKeyPrefix().replace(":", "")
  const settings: Record<string, string> = {
    REDIS_URL: redisUrl(),
    DATABASE_URL: databaseUrl ?? (await migratedDatabase()),
    REDIS_KEY_PREFIX: prefix,
    PARTITIONS: "2",
    LOG_LEVEL: "error",
  }
  const redis = new Redis(redisUrl())
  onTestFinished(() => redis.disconnect())
  const run = (...args: ReadonlyArray<string>) => runCommand(settings, ...args)
  return { run, redis, prefix, settings }
}

/** A command that can be run, `["dead-letters", "list"]`, with what its help says. */
export interface Runnable {
  readonly path: ReadonlyArray<string>
  readonly help: HelpDoc.HelpDoc
}

const helpOf = async (path: ReadonlyArray<string>): Promise<HelpDoc.HelpDoc> => {
  const shown: Array<HelpDoc.HelpDoc> = []
  const present = (event: CliOutput.Presenter.Event) =>
    Effect.sync(() => {
      if (event._tag === "Help") shown.push(event.helpDoc)
    })
  await Effect.runPromise(
    Command.runWith(root, { version: "0" })([...path, "--help"]).pipe(
      Effect.provideService(CliOutput.Presenter, { present }),
      Effect.provideService(CliConfig.CliConfig, CliConfig.make({ builtIns: GLOBAL_FLAGS })),
      Effect.provide(NodeServices.layer),
    ),
  )
  const [help] = shown
  if (help === undefined) throw new Error(`${path.join(" ")} --help shows nothing`)
  return help
}

/** Every command that can be run, as the definitions have them. */
export const everyCommand = async (path: ReadonlyArray<string> = []): Promise<ReadonlyArray<Runnable>> => {
  const help = await helpOf(path)
  const below = (help.subcommands ?? []).flatMap(({ commands }) => commands.map(({ name }) => name))
  const others = (await Promise.all(below.map((name) => everyCommand([...path, name])))).flat()
  // One with commands of its own, and no flag, is only their name.
  return below.length > 0 && help.flags.length === 0 ? others : [{ path, help }, ...others]
}

/** Values for what commands must be given. Nothing is at these places. */
const GIVEN: { readonly [name: string]: ReadonlyArray<string> } = {
  id: ["0/1733650000000-0"],
  visitor: ["7d2f6c1e-2a55-4c4b-8a0d-6f6f0f7c1f11"],
  folder: ["/nowhere"],
  format: ["ndjson"],
  name: ["nobody"],
  site: ["nowhere"],
  key: ["1"],
  to: ["--to=/nowhere/else"],
}

/** What a command must be given, besides one flag that is given another way, or with another value for one argument. */
export const required = ({ help }: Runnable, except?: string, value?: string): ReadonlyArray<string> =>
  [...help.flags, ...(help.args ?? [])].flatMap((each) => {
    if (each.name === except) return value === undefined ? [] : [value]
    if (!each.required) return []
    const given = GIVEN[each.name]
    if (given === undefined)
      throw new Error(`a value for ${each.name} is missing in test/support/commandLine.ts`)
    return given
  })
