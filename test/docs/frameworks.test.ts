/**
 * The examples of docs/integration.md in the set-ups that they are for, put together as a reader would: the blocks in the
 * files that their first comments name, and around them the least that makes a site.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process"
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { expect, onTestFinished, type TestContext, test } from "vitest"
import { launch, wantsChromium } from "../support/chromium.ts"
import { ROOT } from "../support/documents.ts"
import { eventually, freePort, temporaryFolder } from "../support/index.ts"
import { dataOf } from "../support/process.ts"
import { NODES } from "../support/programs.ts"
import { wants } from "../support/wants.ts"
import { blocks } from "./snippets/blocks.ts"
import { buildSdk } from "./snippets/languages.ts"
import { type Reader, reader } from "./snippets/reader.ts"

const all = blocks("docs/integration.md")

/** The block that its first comment says is this file. */
const blockOf = (file: string): string => {
  const found = all.filter(({ text }) => /^(?:---\n|<\?php\n)?(?:\/\/|<!--) (\S+)/.exec(text)?.[1] === file)
  if (found.length !== 1) throw new Error(`docs/integration.md has ${found.length} blocks for ${file}.`)
  return found[0]?.text ?? ""
}

/** The block with this import, which a reader puts into a server of their own. */
const blockWith = (words: string): string => {
  const [found, ...more] = all.filter(({ text }) => text.includes(words))
  if (found === undefined || more.length > 0)
    throw new Error(`docs/integration.md: not one block with ${words}`)
  return found.text
}

const write = (folder: string, files: { readonly [path: string]: string }, follower: Reader) => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), follower.own(text))
  }
}

const killGroup = ({ pid, exitCode, signalCode }: ChildProcess) => {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, "SIGKILL")
}

/** What a browser says of a page that it goes to. */
const NAVIGATION = { Accept: "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate" }

/** Runs a site until the test ends. Resolves to its address once it has answered. */
const serve = async (folder: string, command: (port: number) => ReadonlyArray<string>): Promise<string> => {
  const port = await freePort()
  const [file = "", ...args] = command(port)
  const child = spawn(file, args, {
    cwd: folder,
    // Not the test runner's, which some programs know and heed.
    env: {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: "development", PORT: String(port) },
      ...{ ASTRO_TELEMETRY_DISABLED: "1", NEXT_TELEMETRY_DISABLED: "1" },
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  })
  onTestFinished(() => killGroup(child))
  let output = ""
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (part: Buffer) => {
      output += part.toString()
    })
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => {
    const answer = await fetch(url, { headers: NAVIGATION }).catch(
      (cause: unknown) => new Error(`${cause}\n${output}`),
    )
    if (answer instanceof Error) throw answer
    expect(answer.status, output).toBe(200)
  })
  return url
}

interface Stored {
  readonly event_type: string
  readonly visitor_id: string
  readonly page_url: string | null
  readonly event_data: { readonly letter_type?: string } | null
}

/** Stored events, but for the one that the client's own block sends. */
const events = async ({ base }: Reader): Promise<ReadonlyArray<Stored>> => {
  const data = await dataOf(base, "timeline?limit=100")
  return (Object.values(data) as ReadonlyArray<Stored>).filter(
    (event) => event.event_data?.letter_type !== "motivation",
  )
}

const expectEvents = async (follower: Reader, types: ReadonlyArray<string>) =>
  eventually(async () =>
    expect((await events(follower)).map(({ event_type }) => event_type).sort()).toEqual([...types].sort()),
  )

/** Opens a page in Chromium. */
const open = async (url: string) => {
  const browser = await launch()
  onTestFinished(() => browser.close())
  const context = await browser.newContext()
  context.setDefaultTimeout(0)
  const page = await context.newPage()
  await page.goto(url)
  return { context, page }
}

/** What takes a hundred megabytes and more is installed where that is asked for. */
const wantsFrameworks = wants(
  process.env.TEST_FRAMEWORKS !== undefined && !wantsChromium.skip,
  "Chromium, and Next.js and Astro from npm (TEST_FRAMEWORKS=1)",
)

/** A project with packages of a framework, which later runs find again. Without a registry the test is skipped. */
const install = ({ task, skip }: TestContext, name: string, packages: ReadonlyArray<string>): string => {
  // Frameworks take no page from below node_modules, nor from a folder that begins with a dot.
  const folder = join(ROOT, "coverage/frameworks", name)
  rmSync(join(folder, "src"), { recursive: true, force: true })
  rmSync(join(folder, "app"), { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }')
  const options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--loglevel=error"]
  try {
    execFileSync("npm", ["install", "--save-exact", ...options, ...packages], { cwd: folder })
  } catch {
    task.meta.wants = `a registry of npm, for ${name}`
    skip()
  }
  return folder
}

/** The SDK as it is packed, in a project's packages. */
const addSdk = (folder: string) => {
  const packed = temporaryFolder()
  execFileSync("npm", ["run", "--silent", "pack:sdk", "--", packed], { cwd: ROOT })
  const place = join(folder, "node_modules/maicivy-analytics")
  mkdirSync(place, { recursive: true })
  const [archive = ""] = readdirSync(packed)
  execFileSync("tar", ["-xzf", join(packed, archive), "--strip-components=1", "-C", place])
}

const TSCONFIG = {
  ...{ target: "esnext", module: "esnext", moduleResolution: "bundler", jsx: "preserve", strict: true },
  ...{ allowJs: true, noEmit: true, skipLibCheck: true, isolatedModules: true, resolveJsonModule: true },
}

const HTML = "<!doctype html><title>A page</title>"

test.each(NODES)("Express counts its pages and letters, run by %s", async (node) => {
  const follower = await reader("")
  await buildSdk(follower)
  const server = `${blockWith('from "express"')}
app.get("/", (_, response) => response.send("${HTML}"))
app.listen(process.env.PORT, "127.0.0.1")`
  write(follower.folder, { "analytics.js": blockOf("analytics.js"), "server.js": server }, follower)
  const url = await serve(follower.folder, () => [node, "server.js"])
  await fetch(`${url}/letters`, { method: "POST" })
  // The page, the letter, and the one that the client's own block sends.
  await eventually(async () => expect(await follower.counted()).toBe(3))
  await expectEvents(follower, ["page_view"])
})

test("Fastify counts its pages", async () => {
  const follower = await reader("")
  await buildSdk(follower)
  const server = `${blockWith('from "fastify"')}
app.get("/", (_, reply) => reply.type("text/html").send("${HTML}"))
app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" })`
  write(follower.folder, { "analytics.js": blockOf("analytics.js"), "server.js": server }, follower)
  await serve(follower.folder, () => [process.execPath, "server.js"])
  await expectEvents(follower, ["page_view"])
})

test("Vite's page counts its view and its letter", wantsChromium, async () => {
  const follower = await reader("")
  const folder = join(follower.folder, "site")
  write(folder, { "index.html": blockOf("index.html"), "main.js": blockOf("main.js") }, follower)
  const vite = join(ROOT, "node_modules/.bin/vite")
  const url = await serve(folder, (port) => [vite, "--port", String(port), "--host", "127.0.0.1"])
  await open(url)
  await expectEvents(follower, ["page_view", "letter_generate"])
})

test("Astro's layout counts views", wantsFrameworks, async (context) => {
  const follower = await reader("")
  const folder = install(context, "astro", ["astro@7.3.5"])
  const page = `---
import Layout from "../layouts/Layout.astro"
---
<Layout>A page</Layout>`
  const files = {
    "src/layouts/Layout.astro": blockOf("src/layouts/Layout.astro"),
    "src/pages/index.astro": page,
  }
  write(folder, files, follower)
  const astro = join(folder, "node_modules/.bin/astro")
  const url = await serve(folder, (port) => [astro, "dev", "--port", String(port), "--host", "127.0.0.1"])
  await open(url)
  await expectEvents(follower, ["page_view"])
})

test(
  "Next.js counts views, and letters of a route with and without the cookie",
  wantsFrameworks,
  async (context) => {
    const follower = await reader("")
    const folder = install(context, "next", [
      ...["next@16.4.6", "react@19.3.1", "react-dom@19.3.1"],
      ...["typescript@5.9.3", "@types/react@19.3.3", "@types/node@24.19.2"],
    ])
    addSdk(folder)
    const files = {
      "tsconfig.json": JSON.stringify({ compilerOptions: { ...TSCONFIG, paths: { "@/*": ["./*"] } } }),
      "lib/analytics.js": blockOf("analytics.js"),
      "app/layout.tsx": blockOf("app/layout.tsx"),
      "app/letters/route.ts": blockOf("app/letters/route.ts"),
      "app/page.tsx": "export default function Page() { return <h1>A page</h1> }",
    }
    write(folder, files, follower)
    const next = join(folder, "node_modules/.bin/next")
    const url = await serve(folder, (port) => [
      next,
      "dev",
      "--port",
      String(port),
      "--hostname",
      "127.0.0.1",
    ])
    const letter = { method: "POST", body: '{"letter_type":"anti_motivation"}' }
    expect((await fetch(`${url}/letters`, letter)).status).toBe(200)
    await expectEvents(follower, ["letter_generate"])
    const { page } = await open(url)
    await expectEvents(follower, ["letter_generate", "page_view"])
    await page.evaluate((request) => fetch("/letters", request), letter)
    await expectEvents(follower, ["letter_generate", "letter_generate", "page_view"])
    // The page and its letter are one visitor's, the first letter is the server's.
    expect(new Set((await events(follower)).map(({ visitor_id }) => visitor_id)).size).toBe(2)
  },
)

/** A site with its analytics, which says what came of two visits of somebody without a cookie. */
const RUNTIME = `
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { Analytics, fetchPageViews, pageViews } from "maicivy-analytics/sdk"
const analytics = new Analytics({ url: process.env.BASE, onError: console.error, onRetry: console.error })
const track = pageViews(analytics, { origin: "https://cv.example" })
const site = createServer((request, response) => track(request, response, () => {
  response.setHeader("Set-Cookie", "own=1")
  response.writeHead(200, { "Content-Type": "text/html" }).end("A page")
}))
await new Promise((listening) => site.listen(0, "127.0.0.1", listening))
const headers = { Accept: "text/html", "Sec-Fetch-Dest": "document" }
const visit = async () => (await fetch("http://127.0.0.1:" + site.address().port, { headers })).headers.getSetCookie()
const [first, second] = [await visit(), await visit()]
const page = () => new Response("A page", { headers: { "Content-Type": "text/html" } })
const around = await fetchPageViews(analytics)(new Request("https://cv.example/", { headers }), page)
const required = createRequire(import.meta.url)("maicivy-analytics").Analytics
const report = {
  cookies: first.map((cookie) => cookie.split("=")[0]),
  same: first.join() === second.join(),
  around: around.headers.has("set-cookie"),
  required: typeof required,
  waiting: await analytics.close(600_000),
}
console.log("report " + JSON.stringify(report))
site.close()
`

test("Deno, Bun and Jest run the SDK as Node does", wantsFrameworks, async (context) => {
  const follower = await reader("")
  const folder = install(context, "runtimes", ["deno@2.9.6", "bun@1.4.5", "jest@30.5.2"])
  addSdk(folder)
  writeFileSync(join(folder, "site.mjs"), RUNTIME)
  // Its program comes by a script of the package, of which none was run.
  const run = async (file: string, ...args: ReadonlyArray<string>) => {
    const env = { ...process.env, BASE: follower.base }
    return (await promisify(execFile)(file, args, { cwd: folder, env })).stdout
  }
  await run(process.execPath, "node_modules/bun/install.js")
  const [deno = ""] = readdirSync(join(folder, "node_modules/@deno"))
  const runtimes: ReadonlyArray<readonly [string, ...ReadonlyArray<string>]> = [
    ...NODES.map((node) => [node] as const),
    [join(folder, "node_modules/@deno", deno, "deno"), "run", "-A", "--node-modules-dir=manual"],
    [join(folder, "node_modules/bun/bin/bun.exe"), "run"],
  ]
  for (const [program, ...args] of runtimes) {
    const [, report = ""] = /^report (.*)$/m.exec(await run(program, ...args, "site.mjs")) ?? []
    expect(JSON.parse(report), program).toEqual({
      ...{ cookies: ["own", "maicivy_session"], same: true, around: true, required: "function", waiting: 0 },
    })
  }
  await expectEvents(
    follower,
    Array.from({ length: runtimes.length * 3 }, () => "page_view"),
  )
  const seen = await events(follower)
  expect(new Set(seen.map(({ page_url }) => page_url))).toEqual(new Set(["https://cv.example/"]))
  const jest = 'test("x", () => expect(typeof require("maicivy-analytics/sdk").Analytics).toBe("function"))'
  writeFileSync(join(folder, "sdk.test.cjs"), jest)
  await run(process.execPath, "node_modules/jest/bin/jest.js", "--testMatch", "**/*.test.cjs")
})
