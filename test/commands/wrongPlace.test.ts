/** Commands that are pointed at a place where no deployment is. */
import { existsSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { attempt, commandLine, everyCommand, required, runCommand } from "../support/commandLine.ts"
import { run as runEffect } from "../support/effects.ts"
import { connect } from "../support/events.ts"
import { freePort, freshDatabase, freshKeyPrefix, temporaryFolder } from "../support/index.ts"

/** What a command needs in some way or other. */
const FURTHER: { readonly [name: string]: ReadonlyArray<string> } = { move: ["--data-dir=/nowhere/new"] }
/** Commands that begin a deployment. */
const BEGINNING = ["serve", "restore"]
/** Every command but those, with what it must be given. */
const commands = (await everyCommand())
  .map((each) => ({
    name: each.path.join(" "),
    args: [...each.path, ...required(each), ...(FURTHER[each.path.join(" ")] ?? [])],
  }))
  .filter(({ name }) => !BEGINNING.includes(name))
/** Those that need no store: they ask a node, or read a file. */
const ASKING = ["health", "doctor", "backup verify"]

describe("a command with a DATA_DIR that is none", () => {
  test.each(commands)("creates nothing: $name", async ({ name, args }) => {
    const home = temporaryFolder()
    const folder = join(home, "mistyped")
    const settings = { DATA_DIR: folder, LOG_LEVEL: "error", PORT: String(await freePort()) }
    const asks = ASKING.includes(name)
    await expect(runCommand(settings, ...args)).rejects.toThrow(
      asks ? /does not answer|problem|\/nowhere/ : `There is no deployment in ${folder}: DATA_DIR should be `,
    )
    expect(readdirSync(home)).toEqual([])
    mkdirSync(folder)
    await expect(runCommand(settings, ...args)).rejects.toThrow()
    expect(readdirSync(folder)).toEqual([])
  })

  test("is told so by the doctor", async () => {
    const folder = join(temporaryFolder(), "mistyped")
    const settings = { DATA_DIR: folder, PORT: String(await freePort()) }
    const { printed, failure } = await attempt(settings, "doctor")
    expect(String(failure)).toContain("2 problems")
    expect(printed).toContain(`✗ DATA_DIR  There is no deployment in ${folder}`)
    expect(existsSync(folder)).toBe(false)
  })
})

describe("a command with the stores of no deployment", () => {
  const withStores = commands.filter(({ name }) => !ASKING.includes(name) && name !== "migrate")

  test.each(withStores)("creates nothing in them: $name", async ({ args }) => {
    const { run, redis, prefix, settings } = await commandLine(await freshDatabase())
    await expect(run(...args)).rejects.toThrow(
      "There is no deployment in this database: DATABASE_URL should be",
    )
    const postgres = await connect(settings.DATABASE_URL ?? "")
    const tables = "SELECT 1 FROM pg_tables WHERE schemaname = 'public'"
    expect(await runEffect(postgres.query("test", tables))).toEqual([])
    expect(await redis.keys(`${prefix}*`)).toEqual([])
  })

  test.each(withStores.filter(({ name }) => !["rebuild", "erasures", "export"].includes(name)))(
    "creates nothing under another prefix of Redis: $name",
    async ({ args }) => {
      const { run, redis, settings } = await commandLine()
      await run("migrate")
      const mistyped = freshKeyPrefix().replace(":", "")
      settings.REDIS_KEY_PREFIX = mistyped
      await expect(run(...args)).rejects.toThrow(
        `There is no deployment in this Redis under the prefix ${mistyped}: REDIS_URL and REDIS_KEY_PREFIX should be`,
      )
      expect(await redis.keys(`${mistyped}*`)).toEqual([])
    },
  )
})
