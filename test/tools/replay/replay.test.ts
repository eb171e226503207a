/** The replay command as a whole, against a server that only records. */
import { spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { beforeEach, describe, expect, test } from "vitest"
import { temporaryFolder } from "../../support/index.ts"
import { recordingServer } from "../../support/recordingServer.ts"
import { logLine } from "./logLine.ts"

interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const command = new URL("../../../src/tools/replay/main.ts", import.meta.url).pathname
let directory: string

beforeEach(() => {
  directory = temporaryFolder()
})

const run = (args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  new Promise<Run>((resolve) => {
    const child = spawn(process.execPath, [command, ...args], {
      env: { PATH: process.env.PATH, DATA_DIR: join(directory, "data"), ...env },
    })
    let out = ""
    let err = ""
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString()
    })
    child.stderr.on("data", (chunk: Buffer) => {
      err += chunk.toString()
    })
    child.on("close", (code) => resolve({ code, out, err }))
  })

const writeLog = (lines: ReadonlyArray<string>, name = "access"): string => {
  const path = join(directory, name)
  writeFileSync(path, name.endsWith(".gz") ? gzipSync(lines.join("\n")) : `${lines.join("\n")}\n`)
  return path
}

const pages = (count: number) =>
  Array.from({ length: count }, (_, i) => logLine({ request: `GET /p${i} HTTP/1.1` }))

const figure = (out: string, label: string) =>
  Number(new RegExp(`^\\s*${label} +(\\d+)$`, "m").exec(out)?.[1] ?? -1)

describe("a replay", () => {
  test("sends page views in batches of at most 1,000 and sums up what became of the lines", async () => {
    const server = await recordingServer()
    const path = writeLog([...pages(2100), logLine({ request: "GET /a.png HTTP/1.1" }), "nonsense"])
    const { code, out } = await run([path, "--url", server.url, "--site", "blog"])
    expect(code).toBe(0)
    expect(server.received.map(({ path }) => path)).toEqual(
      Array(3).fill("/api/v1/analytics/events?site=blog"),
    )
    expect(new Set(server.ids()).size).toBe(2100)
    expect(figure(out, "lines read")).toBe(2102)
    expect(figure(out, "sent")).toBe(2100)
    expect(figure(out, "accepted")).toBe(2100)
    expect(figure(out, "skipped")).toBe(2)
  })

  test("reads gzip, whatever the file is called, and sends the same ids again", async () => {
    const server = await recordingServer()
    const plain = await run([writeLog(pages(5)), "--url", server.url])
    const packed = await run([writeLog(pages(5), "log.1.gz"), "--url", server.url])
    expect([plain.code, packed.code]).toEqual([0, 0])
    const ids = server.ids()
    expect(ids.slice(5)).toEqual(ids.slice(0, 5))
  })

  test("tries again after 503 and a broken connection, with the same ids", async () => {
    const server = await recordingServer((turn) => {
      if (turn === 0) return { status: 503, headers: { "retry-after": "0" } }
      return { hangUp: turn === 1 }
    })
    const { code, out } = await run([writeLog(pages(3)), "--url", server.url])
    expect(code).toBe(0)
    expect(new Set(server.received.map(({ events }) => JSON.stringify(events))).size).toBe(1)
    expect(figure(out, "posts tried again")).toBe(2)
  })

  test("explains once how to lift the rate limit", async () => {
    const server = await recordingServer((turn) =>
      turn < 2 ? { status: 429, headers: { "retry-after": "0" } } : {},
    )
    const { code, err } = await run([writeLog(pages(3)), "--url", server.url])
    expect(code).toBe(0)
    expect(err.split("RATE_LIMIT_PER_MINUTE=0")).toHaveLength(2)
  })

  test("sends the events of a batch again that were refused for now, and only those", async () => {
    const server = await recordingServer((turn) => {
      const rejected = [
        { index: 1, code: "RATE_LIMITED", error: "" },
        { index: 2, code: "STREAM_UNAVAILABLE", error: "" },
      ]
      const headers = { "ratelimit-remaining": "0", "ratelimit-reset": "0" }
      return turn === 0 ? { headers, rejected } : {}
    })
    const { code, out, err } = await run([writeLog(pages(3)), "--url", server.url])
    expect(code).toBe(0)
    const ids = server.ids()
    expect(ids.slice(3)).toEqual(ids.slice(1, 3))
    expect(figure(out, "accepted")).toBe(3)
    expect(err).toContain("--write-key")
  })

  test("ends with 1 and counts by code when events are rejected", async () => {
    const server = await recordingServer(() => ({
      rejected: [{ index: 0, code: "INVALID_ID", error: "" }],
    }))
    const { code, out } = await run([writeLog(pages(3)), "--url", server.url])
    expect(code).toBe(1)
    expect(figure(out, "accepted")).toBe(2)
    expect(figure(out, "INVALID_ID")).toBe(1)
  })

  test("ends with 1 at once when the key is wrong or the address is another service's", async () => {
    const server = await recordingServer(() => ({
      status: 401,
      body: JSON.stringify({ success: false, error: "No.", code: "X" }),
    }))
    const { code, out } = await run([writeLog(pages(3)), "--url", server.url])
    expect(code).toBe(1)
    expect(out).toContain("401: No.")
  })

  test("sends single events at a low rate", async () => {
    const server = await recordingServer(() => ({
      body: JSON.stringify({ success: true, message: "ok" }),
    }))
    const { code, out } = await run([writeLog(pages(4)), "--url", server.url, "--rate", "20"])
    expect(code).toBe(0)
    expect(server.received.map(({ path }) => path)).toEqual(Array(4).fill("/api/v1/analytics/event"))
    expect(figure(out, "accepted")).toBe(4)
  })

  test("takes the key from the option, the environment, then the local server's file", async () => {
    const server = await recordingServer()
    const log = writeLog(pages(1))
    mkdirSync(join(directory, "data"), { recursive: true })
    writeFileSync(join(directory, "data", "write-key"), "from-file\n")
    await run([log, "--url", server.url, "--write-key", "given"], { WRITE_KEY: "environment" })
    await run([log, "--url", server.url], { WRITE_KEY: "environment" })
    await run([log, "--url", server.url])
    expect(server.received.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer given",
      "Bearer environment",
      "Bearer from-file",
    ])
  })

  test("only tells what it would send with --dry-run", async () => {
    const server = await recordingServer()
    const other = logLine({ address: "192.0.2.9" })
    const { code, out } = await run([writeLog([...pages(3), other]), "--url", server.url, "--dry-run"])
    expect(code).toBe(0)
    expect(server.received).toEqual([])
    expect(figure(out, "page views to send")).toBe(4)
    expect(figure(out, "unique visitors")).toBe(2)
  })

  test.each([
    [[], "Which access log"],
    [["/nowhere/access"], "cannot be read"],
    [["--nope"], "--nope"],
  ])("ends with 2 for a wrong use: %j", async (args, said) => {
    const { code, err } = await run(args)
    expect(code).toBe(2)
    expect(err).toContain(said)
  })

  test("ends with 2 for a bad rate or address, and with 0 for --help", async () => {
    const path = writeLog(pages(1))
    expect((await run([path, "--rate", "0"])).code).toBe(2)
    expect((await run([path, "--url", "ftp://x"])).code).toBe(2)
    expect((await run(["--help"])).code).toBe(0)
  })

  test("ends with 1 for a file that is no access log", async () => {
    expect((await run([writeLog(["a", "b"])])).code).toBe(1)
  })
})
