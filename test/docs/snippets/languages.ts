/** How a block of each language is put to the test. A language that is not here is a language that nothing runs. */
import { execFile } from "node:child_process"
import { cpSync, writeFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join } from "node:path"
import { promisify } from "node:util"
import { transformWithOxc } from "vite"
import { afterAll } from "vitest"
import { parseAllDocuments } from "yaml"
import { openApiDocument } from "../../../src/server/openapi/document.ts"
import { Contract } from "../../../src/tools/doctor/contract.ts"
import { ROOT } from "../../support/documents.ts"
import { canRun, NODES } from "../../support/programs.ts"
import { newFolder, removeFolder, temporaryFolder } from "../../support/temporaryFolder.ts"
import { installed } from "../../support/wants.ts"
import type { Block } from "./blocks.ts"
import { htmlProblems, inChromium } from "./page.ts"
import { asRules, expressions, promqlProblems, promtoolProblems } from "./promql.ts"
import type { Outcome, Reader } from "./reader.ts"

export interface Language {
  /** What is wrong with the form of a block, without running it. */
  readonly form: (block: Block) => ReadonlyArray<string> | Promise<ReadonlyArray<string>>
  /** Runs it; returns what went wrong, or what this machine lacks to run it. Absent: there is nothing to run. */
  readonly run?: (block: Block, reader: Reader) => Promise<ReadonlyArray<string> | Lacking>
}

/** What is not on this machine. */
export interface Lacking {
  readonly lacking: string
}

const execute = promisify(execFile)

const parses = (what: () => unknown): ReadonlyArray<string> => {
  try {
    what()
    return []
  } catch (cause) {
    return [cause instanceof Error ? cause.message : String(cause)]
  }
}

const failed = ({ exitCode, output }: Outcome): ReadonlyArray<string> =>
  exitCode === 0 || exitCode === null ? [] : [`exit code ${exitCode}: ${output}`]

/** Runs what should reach the node, and sees that it did and that nothing was refused. */
const watched = async (
  reader: Reader,
  reaches: boolean,
  run: () => Promise<Outcome>,
  mayBeRefused = false,
): Promise<ReadonlyArray<string>> => {
  const before = await reader.activity()
  const outcome = await run()
  const after = await reader.activity()
  // Who throws for want of time runs again.
  if (after.late > before.late && failed(outcome).length > 0)
    return await watched(reader, reaches, run, mayBeRefused)
  return [
    ...failed(outcome),
    ...(after.refused > before.refused && !mayBeRefused ? [`the node refused it: ${outcome.output}`] : []),
    ...(reaches && after.heard === before.heard ? [`the node heard nothing: ${outcome.output}`] : []),
  ]
}

/** A minimal Debian has none. */
const CURL = canRun("curl", "--version")

const shell: Language = {
  form: async ({ text }) => {
    try {
      await execute("bash", ["-n", "-c", text])
      return []
    } catch (cause) {
      return [cause instanceof Error ? cause.message : String(cause)]
    }
  },
  run: async ({ text, untilStopped }, reader) => {
    if (/\bcurl\b/.test(text) && !CURL) return { lacking: "curl" }
    return await watched(
      reader,
      /\b(curl|wscat|npm run (replay|doctor))\b/.test(text),
      () => reader.shell(text, untilStopped),
      text.includes("npm run doctor"),
    )
  },
}

/** What a page, or the page's own code, would have. */
const globals = (reader: Reader): string => `
globalThis.location = new URL(${JSON.stringify(`${reader.base}/cv`)})
for (const show of ["showFigures", "showThemes", "showEvent"])
  globalThis[show] = (data) => console.log(JSON.stringify(data))
`

const javascript: Language = {
  form: async ({ text }) => {
    const { errors } = await transformWithOxc(text, "block.js").then(
      () => ({ errors: [] }),
      (cause: unknown) => ({ errors: [String(cause)] }),
    )
    return errors
  },
  run: async (block, reader) => {
    if (block.text.includes("maicivy-analytics/sdk")) return await sdkModule(block, reader)
    // The tracker's own functions are there on a page with the tag only.
    if (block.text.includes("window.maicivy"))
      return (
        (await inChromium(
          reader,
          '<script src="https://analytics.example/tracker.js"></script>',
          block.text,
        )) ?? {
          lacking: "Chromium",
        }
      )
    return await watched(reader, true, () =>
      reader.script(`snippet-${block.line}.mjs`, block.text, globals(reader), block.untilStopped),
    )
  },
}

const makeSdk = async (): Promise<string> => {
  const folder = newFolder()
  await execute("tsc", ["--project", join(ROOT, "src/sdk"), "--outDir", folder], {
    cwd: ROOT,
    env: { ...process.env, PATH: `${join(ROOT, "node_modules/.bin")}:${process.env.PATH}` },
  })
  return folder
}

/** Where the SDK has been built, for all readers of a test file. */
let sdk: Promise<string> | undefined
afterAll(async () => {
  if (sdk !== undefined) removeFolder(await sdk)
})

/** The SDK as `npm pack` would build it, in the reader's checkout. */
export const buildSdk = async (reader: Reader): Promise<void> => {
  sdk ??= makeSdk()
  cpSync(await sdk, join(reader.folder, "dist/sdk"), { recursive: true })
}

const TYPE_CHECK = [
  ...["--noEmit", "--strict", "--module", "nodenext", "--target", "esnext", "--types", "node"],
  ...["--allowJs", "--checkJs", "--allowImportingTsExtensions", "--skipLibCheck", "--ignoreConfig"],
]

/** A module that uses the SDK, in a file of the name that its first comment tells: its types, and that it runs. */
const sdkModule = async ({ text, line, language }: Block, reader: Reader): Promise<ReadonlyArray<string>> => {
  await buildSdk(reader)
  const name = /^\/\/ (\S+\.[jt]s)$/m.exec(text)?.[1] ?? `snippet-${line}.${language}`
  writeFileSync(join(reader.folder, name), reader.own(text))
  const types = await reader.run("tsc", [...TYPE_CHECK, name])
  if (types.exitCode !== 0) return [types.output]
  const problems: Array<string> = []
  // JavaScript runs on the oldest Node that is promised, too.
  for (const node of language === "js" ? NODES : [process.execPath])
    problems.push(
      ...(await watched(reader, /^analytics\.track\(/m.test(text), () => reader.run(node, [name]))),
    )
  return problems
}

const typescript: Language = {
  form: ({ text }) => parses(() => stripTypeScriptTypes(text)),
  run: sdkModule,
}

const contract = new Contract(openApiDocument({ sites: ["main", "blog"] }))
const JSON_ANSWER = new Headers({ "content-type": "application/json" })

/** Under the heading of an operation it is one of its answers, in docs/websocket.md a frame. */
const json: Language = {
  form: ({ text, heading, document }) => {
    const wrong = parses(() => JSON.parse(text))
    if (wrong.length > 0) return wrong
    if (document === "docs/websocket.md") return contract.frameViolations(JSON.parse(text))
    const [, method = "", path = ""] = /^`([A-Z]+) (\/\S+)`$/.exec(heading) ?? []
    if (method === "") return []
    return contract.violations({
      method,
      path: `/api/v1/analytics${path}`,
      status: method === "POST" && path.startsWith("/event") ? 201 : 200,
      headers: JSON_ANSWER,
      body: text,
    })
  },
}

const html: Language = {
  form: () => [],
  run: async ({ text }, reader) => {
    const problems = await htmlProblems(reader, text)
    if (problems.length > 0 || !text.includes("<script")) return problems
    return (await inChromium(reader, text, "")) ?? { lacking: "Chromium" }
  },
}

const promql: Language = {
  form: ({ text }) => expressions(text).flatMap(promqlProblems),
  run: async ({ text }) => (await promtoolProblems(asRules(expressions(text)))) ?? { lacking: "promtool" },
}

const isRules = (value: unknown): boolean => typeof value === "object" && value !== null && "groups" in value

const yaml: Language = {
  form: ({ text }) => parseAllDocuments(text).flatMap(({ errors }) => errors.map(({ message }) => message)),
  run: async ({ text }) => {
    const [document] = parseAllDocuments(text)
    const rules: unknown = document?.toJS()
    if (!isRules(rules)) return []
    const used = [...JSON.stringify(rules).matchAll(/"expr":("(?:[^"\\]|\\.)*")/g)]
    const problems = used.flatMap(([, expr = '""']) => promqlProblems(String(JSON.parse(expr))))
    if (problems.length > 0) return problems
    return (await promtoolProblems(text)) ?? { lacking: "promtool" }
  },
}

const PHP = canRun("php", "--version")

const php: Language = {
  form: async ({ text }) => {
    if (!PHP) return []
    const file = join(temporaryFolder(), "block.php")
    writeFileSync(file, text)
    return execute("php", ["--syntax-check", file]).then(
      () => [],
      (cause: unknown) => [String(cause)],
    )
  },
  run: async ({ text, line }, reader) => {
    if (!PHP) return { lacking: installed("php", "php-cli") }
    const name = `snippet-${line}.php`
    writeFileSync(join(reader.folder, name), reader.own(text))
    return await watched(reader, true, () => reader.run("php", [name]))
  },
}

/** Output, headers, diagrams. */
const nothing: Language = { form: () => [] }

export const LANGUAGES: { readonly [language: string]: Language } = {
  sh: shell,
  js: javascript,
  ts: typescript,
  tsx: {
    form: ({ text }) =>
      transformWithOxc(text, "block.tsx").then(
        () => [],
        (cause: unknown) => [String(cause)],
      ),
  },
  json,
  html,
  promql,
  yaml,
  php,
  // Run by frameworks.test.ts.
  astro: nothing,
  text: nothing,
  "": nothing,
}
