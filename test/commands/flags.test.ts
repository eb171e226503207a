/** Every flag and argument of every command, as the definitions have them, with wrong values. */
import { expect, test } from "vitest"
import { FLAGS } from "../../src/config/flags.ts"
import { SETTINGS } from "../../src/config/settings.ts"
import { commandLine, everyCommand, type Runnable, required, runCommand } from "../support/commandLine.ts"
import { run as runEffect } from "../support/effects.ts"
import { connect, event, store } from "../support/events.ts"

const WRONG = ["-1", "0", "1.5", "1e9", "99999999999999999999", "many", "", " ", "∞"]
const PATHS = WRONG.filter((text) => text.trim() !== "")
const SLUGS = ["0", "1.5", "1e9", "99999999999999999999", "many"]
/** Those that a flag or an argument may have all the same. */
const RIGHT: { readonly [name: string]: ReadonlyArray<string> } = {
  site: SLUGS,
  sites: SLUGS,
  hosts: ["1e9", "many", "∞"],
  // Of a user, a key or a site.
  name: PATHS,
  to: PATHS,
  folder: PATHS,
  erasures: PATHS,
  "data-dir": PATHS,
}

const SECRET = ["redis-url", "database-url"]

/** Every command with each of its flags and arguments in turn wrong, and what that is refused for. */
const wrongCalls = (command: Runnable) => {
  const { path, help } = command
  return [
    ...help.flags.flatMap(({ name, type }) =>
      WRONG.filter((value) => !(type === "boolean" ? ["0"] : (RIGHT[name] ?? [])).includes(value)).map(
        (value) => ({
          args: [...path, ...required(command, name), `--${name}=${value}`],
          refusal: SECRET.includes(name)
            ? `--${name} has a value that cannot be used: it should be `
            : `--${name} is ${JSON.stringify(value)}: it should be `,
        }),
      ),
    ),
    ...(help.args ?? []).flatMap(({ name }) =>
      WRONG.filter((value) => !(RIGHT[name] ?? []).includes(value)).map((value) => ({
        args: [...path, ...required(command, name, value)],
        refusal: `${name} is ${JSON.stringify(value)}: it should be `,
      })),
    ),
    { args: [...path, "--no-such-flag"], refusal: "There is no flag --no-such-flag" },
  ]
}

test("a wrong value of any flag is refused in one sentence, and nothing is changed", async () => {
  const { run, redis, prefix, settings } = await commandLine()
  await run("migrate")
  const postgres = await connect(settings.DATABASE_URL ?? "")
  await store(postgres, [event()])
  const contents = async () => ({
    rows: await runEffect(postgres.query("test", "SELECT sum(events) FROM event_chunks")),
    deployment: await runEffect(postgres.query("test", "SELECT * FROM deployment")),
    keys: (await redis.keys(`${prefix}*`)).sort(),
  })
  const before = await contents()
  const commands = await everyCommand()
  expect(commands.map(({ path }) => path.join(" "))).toEqual(
    expect.arrayContaining(["serve", "retention", "dead-letters drop"]),
  )
  for (const { args, refusal } of commands.flatMap(wrongCalls)) {
    const outcome = await run(...args).then(
      () => "accepted",
      (error: Error) => error.message,
    )
    const [sentence, help, ...more] = outcome.split("\n")
    expect(sentence, args.join(" ")).toContain(refusal)
    expect(sentence).toMatch(/[.?]$/)
    expect(sentence).not.toContain("Expected")
    expect(help).toMatch(/^See npm start -- .*--help\.$/)
    expect(more).toEqual([])
  }
  expect(await contents()).toEqual(before)
})

test("a flag that stands for a setting obeys that setting's rule", () => {
  for (const [flag, setting] of [
    [FLAGS.days, SETTINGS.retentionDays],
    [FLAGS.partitions, SETTINGS.partitions],
    [FLAGS.timeZone, SETTINGS.timeZone],
  ] as const)
    for (const value of [...WRONG, "1", "90", "3651", "65", "Europe/Paris", "Asia/Kolkata"])
      expect(flag.parse(value)).toEqual(setting.parse(value))
})

test("every flag that a command's help names is taken", async () => {
  const run = (...args: ReadonlyArray<string>) => runCommand({}, ...args)
  for (const command of await everyCommand()) {
    const { path, help } = command
    expect(help.description).toMatch(/\S/)
    for (const { name, description } of help.flags) {
      expect(description, name).toMatchObject({ _tag: "Some" })
      // Not with a value that would do something: it is known if its value is what is wrong with it.
      await expect(run(...path, ...required(command, name), `--${name}=`)).rejects.toThrow(`--${name} `)
    }
    for (const { name } of help.globalFlags ?? []) {
      const shown = await run(...path, `--${name}`)
      expect(shown).toContain(name === "version" ? "0.1.0" : help.description.split("\n")[0])
    }
  }
})

test("the help of serve names every setting", async () => {
  const help = await runCommand({}, "serve", "--help")
  for (const { name } of Object.values(SETTINGS)) expect(help).toContain(`  ${name}`)
})
