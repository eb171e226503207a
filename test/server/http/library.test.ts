/**
 * What uWebSockets.js does before any code of ours is asked, where HTTP says otherwise. docs/api.md tells senders and
 * docs/troubleshooting.md operators: when a newer version of the library fails one of these tests, those can say less.
 */
import { describe, expect, test } from "vitest"
import { eventually } from "../../support/index.ts"
import { RawConnection, raw, rawEvent } from "../../support/rawClient.ts"
import { requestCount, serve, VISITOR } from "../../support/server.ts"

const EVENT = JSON.stringify({ event_type: "page_view", visitor_id: VISITOR })
const POST = rawEvent([`Content-Length: ${EVENT.length}`], EVENT)
const CHUNKED = (body: string) => rawEvent(["Transfer-Encoding: chunked"], body)
const SIZE = EVENT.length.toString(16)

describe("in HTML, by the library itself and in no metric, are answered", () => {
  test.each([
    ["HTTP/1.0", 505, "GET /health HTTP/1.0\r\nHost: x\r\n\r\n"],
    ["a whole URL in the request line", 505, "GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["OPTIONS *", 505, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["no Host", 400, "GET /health HTTP/1.1\r\n\r\n"],
    ["a space before a colon", 400, "GET /health HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n"],
    [
      "more header fields than there is room for",
      431,
      `GET /health HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(40_000)}\r\n\r\n`,
    ],
  ])("%s: %i", async (_, status, request) => {
    await using running = await serve()
    using connection = new RawConnection(running.server.port)
    connection.write(request)
    await connection.whenClosed()
    expect(connection.received).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(connection.received).toMatch(/<h1>/)
    expect(await requestCount(running.metrics, {})).toBe(0)
  })
})

test("a chunked body with trailer fields is answered with an error, though its event counts", async () => {
  await using running = await serve()
  using connection = new RawConnection(running.server.port)
  connection.write(CHUNKED(`${SIZE}\r\n${EVENT}\r\n0\r\nX-T: 1\r\n\r\n`))
  await connection.whenClosed()
  expect(connection.received).toMatch(/^HTTP\/1\.1 (400|505) /)
  await eventually(() => expect(running.world.accepted).toHaveLength(1))
})

test("an extension of a chunk's size is taken for a part of the size, and the event refused", async () => {
  await using running = await serve({}, { bodyLimits: { silenceMs: 50 } })
  const answer = await raw(running.server.port, CHUNKED(`${SIZE};x=y\r\n${EVENT}\r\n0\r\n\r\n`))
  expect([400, 408]).toContain(answer.status)
  expect(running.world.accepted).toEqual([])
})

test("a request that follows before the first one's answer closes the connection, and the first counts", async () => {
  await using running = await serve()
  using connection = new RawConnection(running.server.port)
  connection.write(POST + POST)
  await connection.whenClosed()
  expect(connection.received).toBe("")
  await eventually(() => expect(running.world.accepted).toHaveLength(1))
})

test("a client that closes its half of the connection before the answer gets none, and its event counts", async () => {
  await using running = await serve()
  running.world.held = []
  using connection = new RawConnection(running.server.port)
  connection.socket.end(POST)
  await connection.whenClosed()
  expect(connection.received).toBe("")
  running.world.release()
  expect(running.world.accepted).toHaveLength(1)
})
