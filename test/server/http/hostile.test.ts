import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from "node:zlib"
import { describe, expect, test } from "vitest"
import { eventually } from "../../support/index.ts"
import { RawConnection, raw, rawEvent } from "../../support/rawClient.ts"
import { API, metricValue, post, type Running, serve, VISITOR, WRITE_KEY } from "../../support/server.ts"

const EVENT = JSON.stringify({ event_type: "page_view", visitor_id: VISITOR })
const LENGTH = `Content-Length: ${EVENT.length}`

describe("a request that two parsers could read in two ways", () => {
  test.each([
    ["two different lengths", [LENGTH, "Content-Length: 2"], EVENT],
    ["two different lengths, the shorter first", ["Content-Length: 2", LENGTH], EVENT],
    ["a length and chunks", [LENGTH, "Transfer-Encoding: chunked"], "0\r\n\r\n"],
    ["an unknown transfer encoding", ["Transfer-Encoding: gzip, chunked"], "0\r\n\r\n"],
    ["a length that is no number", ["Content-Length: 1x"], "{}"],
    ["a negative length", ["Content-Length: -1"], "{}"],
  ])("is refused: %s", async (_, lines, body) => {
    await using running = await serve()
    const answer = await raw(running.server.port, rawEvent(lines, body))
    expect(answer.status).toBe(400)
    expect(running.world.accepted).toEqual([])
  })

  test("is not one that says the same length twice", async () => {
    await using running = await serve()
    expect((await raw(running.server.port, rawEvent([LENGTH, LENGTH], EVENT))).status).toBe(201)
  })

  test("is not one in chunks", async () => {
    await using running = await serve()
    const body = `${EVENT.length.toString(16)}\r\n${EVENT}\r\n0\r\n\r\n`
    expect((await raw(running.server.port, rawEvent(["Transfer-Encoding: chunked"], body))).status).toBe(201)
  })
})

describe("headers", () => {
  test("beyond the server's room are refused, and the server goes on", async () => {
    await using running = await serve()
    const long = await raw(running.server.port, rawEvent([`X-Long: ${"x".repeat(40_000)}`, LENGTH], EVENT))
    expect(long.status).toBe(431)
    const many = Array.from({ length: 500 }, (_, i) => `X-${i}: y`)
    expect((await raw(running.server.port, rawEvent([...many, LENGTH], EVENT))).status).toBe(431)
    expect((await post(`${running.url}${API}/event`, EVENT)).status).toBe(201)
  })

  test("of 12 KiB, as browsers with many cookies send them, are taken", async () => {
    await using running = await serve()
    const lines = [`Cookie: a=${"x".repeat(12_000)}`, LENGTH]
    expect((await raw(running.server.port, rawEvent(lines, EVENT))).status).toBe(201)
  })

  test("name no server software", async () => {
    await using running = await serve()
    const { head } = await raw(running.server.port, rawEvent([LENGTH], EVENT))
    expect(head).not.toMatch(/uwebsockets|^server:/im)
  })
})

/** What has been received once the server has seen what was written: it has answered another connection meanwhile. */
const beforeTheEnd = async (running: Running, connection: RawConnection): Promise<string> => {
  for (let i = 0; i < 3; i++) expect((await fetch(`${running.url}/health`)).status).toBe(200)
  return connection.received
}

describe("a refusal that is known before the body has come waits for its end, and the next request is answered", () => {
  const BODY = " ".repeat(200_000)
  const long = (line: string, ...fields: ReadonlyArray<string>) =>
    `${line} HTTP/1.1\r\n${["Host: x", `Content-Length: ${BODY.length}`, ...fields].join("\r\n")}\r\n\r\n`

  test.each([
    [413, long(`POST ${API}/event`)],
    [404, long(`POST ${API}/nowhere`)],
    [405, long(`PUT ${API}/event`)],
    [415, long(`POST ${API}/events`, "Content-Type: image/png")],
    [400, long(`POST ${API}/events?site=nowhere`)],
    [401, long(`POST ${API}/events`, "X-Write-Key: wrong")],
    [429, long(`POST ${API}/events`)],
    [204, long(`OPTIONS ${API}/events`)],
    [200, long(`GET ${API}/stats`)],
  ])("%i", async (status, head) => {
    await using running = await serve({ rateLimitPerMinute: 1, writeKeys: [WRITE_KEY] })
    using connection = new RawConnection(running.server.port)
    if (status === 429) expect((await post(`${running.url}${API}/event`, EVENT)).status).toBe(201)
    connection.write(head + BODY.slice(0, 100_000))
    expect(await beforeTheEnd(running, connection)).toBe("")
    connection.write(BODY.slice(100_000))
    // A 204 has no length that its end could be told by.
    if (status === 204)
      await eventually(() => expect(connection.received).toMatch(/^HTTP\/1\.1 204 .*\r\n\r\n$/s))
    else expect((await connection.answer()).status).toBe(status)
    connection.received = ""
    connection.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    expect((await connection.answer()).status).toBe(200)
  })
})

describe("a client that waits for 100 Continue", () => {
  const EXPECTING = ["100-continue", "100-Continue", "100-CONTINUE", "100-continue, 200-ok"]

  test.each(EXPECTING)("is told to go on, and its event is taken: %s", async (value) => {
    await using running = await serve()
    using connection = new RawConnection(running.server.port)
    connection.write(rawEvent([`Expect: ${value}`, LENGTH], ""))
    await eventually(() => expect(connection.received).toBe("HTTP/1.1 100 Continue\r\n\r\n"))
    connection.received = ""
    for (let i = 0; i < 2; i++) {
      connection.write(i === 0 ? EVENT : rawEvent([LENGTH], EVENT))
      const answer = await connection.answer()
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([201, { success: true }])
      expect(answer.head).toMatch(/^HTTP\/1\.1 201 Created\r\nContent-Type: application\/json/)
    }
    expect(running.world.accepted).toHaveLength(2)
  })

  test("is not, where its request is refused anyway", async () => {
    await using running = await serve()
    using connection = new RawConnection(running.server.port)
    connection.write(`POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n${LENGTH}\r\n\r\n`)
    expect((await connection.answer()).status).toBe(404)
    await connection.whenClosed()
  })
})

describe("bodies", () => {
  test("over the cap in chunks are refused when they have come, and leave the connection usable", async () => {
    await using running = await serve()
    using connection = new RawConnection(running.server.port)
    connection.write(rawEvent(["Transfer-Encoding: chunked"], ""))
    const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`
    for (let i = 0; i < 5; i++) connection.write(chunk)
    expect(await beforeTheEnd(running, connection)).toBe("")
    connection.write("0\r\n\r\n")
    const answer = await connection.answer()
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([413, { code: "BODY_TOO_LARGE" }])
    connection.write(rawEvent([LENGTH], EVENT))
    expect((await connection.answer()).status).toBe(201)
  })

  test("of a length that is not worth reading are refused at once, and end the connection", async () => {
    await using running = await serve()
    using connection = new RawConnection(running.server.port)
    connection.write(rawEvent(["Content-Length: 20000000"], "x"))
    const answer = await connection.answer()
    expect([answer.status, answer.head]).toEqual([413, expect.stringMatching(/connection: close/i)])
    await connection.whenClosed()
  })

  test("in chunks that go on beyond that are refused then, and end the connection", async () => {
    await using running = await serve()
    using connection = new RawConnection(running.server.port)
    connection.write(rawEvent(["Transfer-Encoding: chunked"], ""))
    const chunk = `100000\r\n${"x".repeat(0x100000)}\r\n`
    for (let i = 0; i < 17; i++) connection.write(chunk)
    expect((await connection.answer()).status).toBe(413)
    await connection.whenClosed()
  })

  test("that are refused and do not come are not waited for longer than others", async () => {
    await using running = await serve({}, { bodyLimits: { silenceMs: 50 } })
    using connection = new RawConnection(running.server.port)
    connection.write(rawEvent(["Content-Length: 70000"], ""))
    expect((await connection.answer()).status).toBe(413)
    await connection.whenClosed()
  })

  test.each([
    ["in silence", { silenceMs: 50 }, "Nothing of the body arrived for 0.05 seconds."],
    ["for too long", { totalMs: 50 }, "The body did not arrive within 0.05 seconds."],
  ])("that do not come to an end are refused in time: %s", async (_, bodyLimits, error) => {
    await using running = await serve({}, { bodyLimits })
    for (const begun of ["", "{"]) {
      using connection = new RawConnection(running.server.port)
      connection.write(rawEvent([LENGTH], begun))
      const answer = await connection.answer()
      expect(answer.status).toBe(408)
      expect(JSON.parse(answer.body)).toMatchObject({ code: "BODY_TIMEOUT", error })
      await connection.whenClosed()
    }
  })

  test("that do not end take no more memory together than there is for them, and keep nobody else out", async () => {
    await using running = await serve({}, { maxWaitingBytes: 256 * 1024 })
    const begin = () => {
      const connection = new RawConnection(running.server.port)
      connection.write(
        `POST ${API}/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n${" ".repeat(100_000)}`,
      )
      return connection
    }
    using first = begin()
    using second = begin()
    // Which of them find room depends on whose bytes come first; more than two never do.
    const others = Array.from({ length: 20 }, begin)
    const all = [first, second, ...others]
    await eventually(() => expect(all.filter((each) => each.closed).length).toBeGreaterThanOrEqual(20))
    for (const refused of all.filter((each) => each.closed)) {
      const { status, head, body } = await refused.answer()
      expect(status).toBe(503)
      expect(head).toMatch(/retry-after: \d/i)
      expect(JSON.parse(body)).toMatchObject({ success: false, code: "BODIES_FULL" })
    }
    expect(
      await metricValue(running.metrics, "events_rejected_total", { reason: "BODIES_FULL" }),
    ).toBeGreaterThanOrEqual(20)
    // What arrives at once needs no room.
    expect((await post(`${running.url}${API}/event`, EVENT)).status).toBe(201)

    for (const each of all) each.socket.destroy()
    await eventually(async () => {
      using again = new RawConnection(running.server.port)
      again.write(`POST ${API}/events HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n`)
      again.write(" ".repeat(200_000))
      expect((await again.answer()).status).toBe(400)
    })
  })

  test("that arrive byte by byte are read whole", async () => {
    await using running = await serve()
    using connection = new RawConnection(running.server.port)
    connection.socket.setNoDelay(true)
    const text = JSON.stringify({ event_type: "page_view", visitor_id: VISITOR, page_url: "/ü€😀" })
    const bytes = Buffer.from(text)
    connection.write(rawEvent([`Content-Length: ${bytes.length}`], ""))
    for (const byte of bytes) {
      connection.write(Buffer.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await connection.answer()).status).toBe(201)
    expect(running.world.accepted[0]?.pageUrl).toBe("/ü€😀")
  })

  test("that are not UTF-8 are refused", async () => {
    await using running = await serve()
    const body = Buffer.concat([
      Buffer.from('{"event_type":"page_view","page_url":"'),
      Buffer.of(0xc3, 0x28),
      Buffer.from('"}'),
    ])
    for (const path of ["event", "events"]) {
      const answer = await post(`${running.url}${API}/${path}`, body)
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ code: "INVALID_UTF8" })
    }
  })

  test.each([
    ["", "INVALID_JSON"],
    ["{", "INVALID_JSON"],
    ['{"event_type":"page_view",}', "INVALID_JSON"],
    ["NaN", "INVALID_JSON"],
    ["[]", "INVALID_BODY"],
    ["null", "INVALID_BODY"],
    ["[".repeat(60_000), "INVALID_JSON"],
    [`${"[".repeat(30_000)}${"]".repeat(30_000)}`, "INVALID_BODY"],
    [`{"event_type":"a","event_data":${'{"a":'.repeat(9000)}1${"}".repeat(9000)}}`, "INVALID_EVENT_DATA"],
    ['{"event_type":"a","event_data":{"a":"\\u0000"}}', "INVALID_EVENT_DATA"],
    ['{"event_type":"a","event_data":{"a":"\\ud800"}}', "INVALID_EVENT_DATA"],
    ['{"event_type":"a","event_data":{"__proto__":{"polluted":1}}}', "INVALID_EVENT_DATA"],
    ['{"event_type":"a","event_data":[1]}', "INVALID_EVENT_DATA"],
    [`{"event_type":"a","event_data":{"a":"${"x".repeat(9000)}"}}`, "EVENT_DATA_TOO_LARGE"],
    ['{"event_type":"a","page_url":"\\u0000"}', "INVALID_PAGE_URL"],
    ['{"event_type":"<script>"}', "INVALID_EVENT_TYPE"],
    ['{"event_type":"a","timestamp":1e400}', "INVALID_TIMESTAMP"],
  ])("are refused with their reason: %.60j", async (body, code) => {
    await using running = await serve()
    const answer = await post(`${running.url}${API}/event`, body)
    expect(answer.status).toBe(400)
    const {
      success,
      error,
      code: given,
    } = (await answer.json()) as { success: boolean; error: string; code: string }
    expect({ success, code: given }).toEqual({ success: false, code })
    expect(error).toMatch(/^.{10,200}\.$/)
    expect(running.world.accepted).toEqual([])
    expect(Reflect.get({}, "polluted")).toBeUndefined()
  })

  test("tell where they stop being JSON, and repeat nothing of it", async () => {
    await using running = await serve()
    const answer = await post(`${running.url}${API}/event`, '{"event_type":"secret" 1}')
    const { error } = (await answer.json()) as { error: string }
    expect(error).toContain("position 23")
    expect(error).not.toContain("secret")
  })

  test("may begin with a byte order mark", async () => {
    await using running = await serve()
    expect((await post(`${running.url}${API}/event`, `\ufeff${EVENT}`)).status).toBe(201)
  })

  test("that are not packed as they say are refused rather than misread", async () => {
    await using running = await serve()
    for (const encoding of ["gzip", "deflate", "br", "zstd"]) {
      const answer = await post(`${running.url}${API}/event`, EVENT, { "content-encoding": encoding })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({
        code: "INVALID_BODY",
        error: expect.stringMatching(encoding),
      })
    }
    for (const encoding of ["compress", "gzip, gzip", "gzip;q=1"]) {
      const answer = await post(`${running.url}${API}/event`, EVENT, { "content-encoding": encoding })
      expect(answer.status).toBe(415)
      expect(answer.headers.get("accept-encoding")).toMatch(/^gzip, deflate, br\b/)
    }
    expect(running.world.accepted).toEqual([])
  })

  test("that unpack to more than a body may have are refused, from however few bytes", async () => {
    await using running = await serve()
    const bombs = [
      ["gzip", gzipSync(Buffer.alloc(200_000_000, " "))],
      [
        "br",
        brotliCompressSync(Buffer.alloc(50_000_000, " "), {
          params: { [constants.BROTLI_PARAM_QUALITY]: 1 },
        }),
      ],
      ["zstd", zstdCompressSync(Buffer.alloc(200_000_000, " "))],
      // A frame of nothing, that wants a window of a gigabyte.
      ["zstd", Buffer.from("28b52ffd00a0010000", "hex")],
    ] as const
    for (const [encoding, bomb] of bombs) {
      const answer = await post(`${running.url}${API}/events`, bomb, { "content-encoding": encoding })
      expect([400, 413], encoding).toContain(answer.status)
    }
    expect(running.world.accepted).toEqual([])
  })
})

describe("connections", () => {
  test("may carry requests one after the other", async () => {
    await using running = await serve()
    using connection = new RawConnection(running.server.port)
    for (let i = 0; i < 3; i++) {
      connection.write(rawEvent([LENGTH], EVENT))
      expect((await connection.answer()).status).toBe(201)
    }
    expect(running.world.accepted).toHaveLength(3)
  })
})
