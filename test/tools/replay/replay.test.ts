/** The replay command as a whole, against a server that only records. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { appendFileSync, mkdirSync, renameSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { beforeEach, describe, expect, test } from "vitest"
import { eventually, temporaryFolder } from "../../support/index.ts"
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

const run = (args: ReadonlyArray<string>, env: Record<string, string> = {}, input?: string | Buffer) =>
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
    child.stdin.end(input)
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

  test.each([
    ["bzip2", "425a683931415926535900", "bzcat"],
    ["xz", "fd377a585a0000", "xzcat"],
    ["a zip archive", "504b03041400", "unzip"],
    ["UTF-16", "fffe31003900", "iconv"],
  ])("says how a file is read that is %s", async (name, head, program) => {
    const path = join(directory, "log")
    writeFileSync(path, Buffer.from(head, "hex"))
    const { code, err } = await run([path])
    expect(code).toBe(1)
    expect(err).toContain(name)
    expect(err).toContain(program)
  })
})

describe("a log", () => {
  const timed = (minute: number, request = "GET / HTTP/1.1") =>
    logLine({ request, time: `17/May/2015:10:${String(minute).padStart(2, "0")}:00 +0000` })
  const paths = (server: Awaited<ReturnType<typeof recordingServer>>) =>
    server.received.flatMap(({ events }) => events.map(({ page_url }) => page_url))

  test("of several files is read in the order of time, and ends now", async () => {
    const server = await recordingServer()
    const files = [
      writeLog([timed(20, "GET /c HTTP/1.1"), timed(21, "GET /d HTTP/1.1")], "access.log"),
      writeLog([timed(10, "GET /b HTTP/1.1")], "access.log.1"),
      writeLog([timed(1, "GET /a HTTP/1.1")], "access.log.2.gz"),
    ]
    const { code } = await run([...files, "--url", server.url])
    expect(code).toBe(0)
    expect(paths(server)).toEqual(["/a", "/b", "/c", "/d"])
    const times = server.received.flatMap(({ events }) => events.map(({ timestamp = 0 }) => timestamp))
    expect(times.map((time) => (time - (times[0] ?? 0)) / 60_000)).toEqual([0, 9, 19, 20])
  })

  test("comes by standard input, with any line end and a byte order mark", async () => {
    const server = await recordingServer()
    const input = `\ufeff${timed(1, "GET /a HTTP/1.1")}\r\n${timed(2, "GET /b HTTP/1.1")}\r${timed(3, "GET /c HTTP/1.1")}`
    expect((await run(["-", "--url", server.url], {}, input)).code).toBe(0)
    expect(paths(server)).toEqual(["/a", "/b", "/c"])
    const { out } = await run(["-", "--dry-run"], {}, gzipSync(input))
    expect(figure(out, "page views to send")).toBe(3)
  })

  test("that is cut off in its archive counts as far as it goes, and that is said", async () => {
    const lines = Array.from({ length: 5000 }, (_, i) =>
      timed(i % 60, `GET /${Math.imul(i, 0x9e3779b1)} HTTP/1.1`),
    )
    for (const [pack, name] of [
      [gzipSync, "gz"],
      [zstdCompressSync, "zst"],
    ] as const) {
      const whole = pack(lines.join("\n"))
      const path = join(directory, `log.${name}`)
      writeFileSync(path, whole.subarray(0, whole.length / 2))
      const { code, out, err } = await run([path, "--dry-run"])
      expect(err).toContain(`${path} is cut off`)
      expect(code).toBe(0)
      expect(figure(out, "page views to send")).toBeGreaterThan(500)
      expect(figure(out, "skipped")).toBe(0)
      writeFileSync(path, whole)
      expect(figure((await run([path, "--dry-run"])).out, "page views to send")).toBe(5000)
    }
  })

  test("is not decided by one line that is dated wrongly", async () => {
    const lines = Array.from({ length: 30 }, (_, i) => timed(i))
    const odd = logLine({ time: "17/May/2016:10:05:03 +0000" })
    const { out } = await run([writeLog(lines.toSpliced(12, 0, odd)), "--dry-run"])
    expect(figure(out, "page views to send")).toBe(30)
    expect(figure(out, "dated a week or more after the lines around")).toBe(1)
  })

  test("behind a proxy has its visitors when the proxy is named, and says so when it is not", async () => {
    const lines = Array.from(
      { length: 8 },
      (_, i) => `${logLine({ address: "198.51.100.7" })} "203.0.113.${i}"`,
    )
    const path = writeLog(lines)
    const unnamed = await run([path, "--dry-run"])
    expect(figure(unnamed.out, "unique visitors")).toBe(1)
    expect(unnamed.err).toContain("--trusted-proxy 198.51.100.7")
    const named = await run([path, "--dry-run", "--trusted-proxy", "198.51.100.0/24"])
    expect(figure(named.out, "unique visitors")).toBe(8)
    expect(named.err).toBe("")
    expect((await run([path, "--trusted-proxy", "cv.example"])).code).toBe(2)
  })
})

describe("a log that is followed", () => {
  const now = (path: string) => {
    const date = new Date()
    const text = `${String(date.getUTCDate()).padStart(2, "0")}/${date.toUTCString().slice(8, 11)}/${date.getUTCFullYear()}:${date.toISOString().slice(11, 19)} +0000`
    return `${logLine({ request: `GET ${path} HTTP/1.1`, time: text })}\n`
  }

  test("is sent as it is written, through a rename and a truncation, at its own times, until it is stopped", async () => {
    const server = await recordingServer()
    const path = join(directory, "access.log")
    const paths = () => server.received.flatMap(({ events }) => events.map(({ page_url }) => page_url))
    writeFileSync(path, now("/a"))
    const child = spawn(process.execPath, [command, path, "--follow", "--url", server.url], {
      env: { PATH: process.env.PATH, DATA_DIR: join(directory, "data") },
    })
    const ended = once(child, "close")
    await eventually(() => expect(paths()).toEqual(["/a"]))
    const parted = now("/b")
    appendFileSync(path, parted.slice(0, 20))
    appendFileSync(path, parted.slice(20))
    await eventually(() => expect(paths()).toEqual(["/a", "/b"]))
    renameSync(path, `${path}.1`)
    appendFileSync(`${path}.1`, now("/c"))
    await eventually(() => expect(paths()).toEqual(["/a", "/b", "/c"]))
    writeFileSync(path, `${now("/d")}${now("/longer")}`)
    await eventually(() => expect(paths()).toEqual(["/a", "/b", "/c", "/d", "/longer"]))
    truncateSync(path)
    appendFileSync(path, now("/e"))
    await eventually(() => expect(paths()).toEqual(["/a", "/b", "/c", "/d", "/longer", "/e"]))
    const ages = server.received.flatMap(({ events, at }) =>
      events.map(({ timestamp = 0 }) => performance.timeOrigin + at - timestamp),
    )
    for (const age of ages) expect(age).toBeGreaterThanOrEqual(0)
    child.kill("SIGTERM")
    expect(await ended).toEqual([0, null])
  })

  test("cannot be standard input, nor a dry run", async () => {
    expect((await run(["-", "--follow"])).code).toBe(2)
    expect((await run([writeLog(pages(1)), "--follow", "--dry-run"])).code).toBe(2)
  })
})
