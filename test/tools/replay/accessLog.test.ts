/** Reading lines of the combined log format. */
import { describe, expect, test } from "vitest"
import { notALog, parseAccessLine } from "../../../src/tools/replay/accessLog.ts"
import { logLine } from "./logLine.ts"

describe("a line of the combined log format", () => {
  test("is read field by field", () => {
    expect(
      parseAccessLine(
        '2001:db8::1 - ann lee [17/May/2015:10:05:03 +0200] "GET /a?b=c HTTP/2.0" 200 - "https://x.org/" "UA (x)"',
      ),
    ).toEqual({
      addresses: ["2001:db8::1"],
      time: Date.parse("2015-05-17T08:05:03Z"),
      method: "GET",
      target: "/a?b=c",
      status: 200,
      referrer: "https://x.org/",
      agent: "UA (x)",
      contentType: null,
    })
  })

  test("may carry fields of its own at the end", () => {
    expect(parseAccessLine(`${logLine({})} "10.0.0.1" 0.003`)?.target).toBe("/")
  })

  test("unescapes quotes, backslashes and bytes, and never yields control characters", () => {
    const line = logLine({
      request: String.raw`GET /\"q\"/\xc3\xa9/\\x41/\x00 HTTP/1.1`,
      agent: String.raw`say \"hi\"\t`,
    })
    expect(parseAccessLine(line)).toMatchObject({ target: '/"q"/é/\\x41/%00', agent: 'say "hi"%09' })
  })

  test("has no referrer when it is '-' or empty", () => {
    expect(parseAccessLine(logLine({ referrer: "-" }))?.referrer).toBeNull()
    expect(parseAccessLine(logLine({ referrer: "" }))?.referrer).toBeNull()
  })

  test("yields the path of a request through a proxy", () => {
    expect(parseAccessLine(logLine({ request: "GET http://a.org/p?q HTTP/1.1" }))?.target).toBe("/p?q")
    expect(parseAccessLine(logLine({ request: "GET http://a.org HTTP/1.1" }))?.target).toBe("/")
  })

  test("has no method when the request was not HTTP", () => {
    expect(parseAccessLine(logLine({ request: String.raw`\x16\x03\x01` }))?.method).toBe("")
    expect(parseAccessLine(logLine({ request: "-" }))?.method).toBe("")
  })

  test.each([
    ["", "nothing"],
    ["hello", "words"],
    [logLine({}).slice(0, -1), "no closing quote"],
    [logLine({ time: "17/Foo/2015:10:05:03 +0000" }), "no such month"],
    [logLine({ time: "31/Jun/2015:10:05:03 +0000" }), "no such day"],
    [logLine({ time: "17/May/2015:24:05:03 +0000" }), "no such hour"],
  ])("is refused when malformed: %s (%s)", (line) => {
    expect(parseAccessLine(line)).toBeNull()
  })
})

const addressesOf = (line: string) => parseAccessLine(line)?.addresses

describe("the addresses of a line", () => {
  const rest = '[17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "UA"'
  test.each([
    ["203.0.113.7 - -", ["203.0.113.7"]],
    ["203.0.113.7\t-\t-", ["203.0.113.7"]],
    ['  203.0.113.7 - ""', ["203.0.113.7"]],
    ["203.0.113.7 - ann lee", ["203.0.113.7"]],
    ["203.0.113.7:51234 - -", ["203.0.113.7"]],
    ["[2001:db8::1]:51234 - -", ["2001:db8::1"]],
    ["2001:db8::1 - -", ["2001:db8::1"]],
    ["cv.example:443 203.0.113.7 - -", ["203.0.113.7"]],
    ["cv.example 2001:db8::1 - -", ["2001:db8::1"]],
    ["nginx-1  | 203.0.113.7 - -", ["203.0.113.7"]],
    ["May 17 10:05:03 host nginx: 203.0.113.7 - -", ["203.0.113.7"]],
    ["host.isp.example - -", ["host.isp.example"]],
    ["web-1 | host.isp.example - ann", ["host.isp.example"]],
    ["203.0.113.9 10.0.0.1 - -", ["203.0.113.9", "10.0.0.1"]],
    ["203.0.113.9, 198.51.100.1 10.0.0.1 - -", ["203.0.113.9", "198.51.100.1", "10.0.0.1"]],
    ["203.0.113.9, 198.51.100.1 - -", ["203.0.113.9"]],
    ["- 203.0.113.7 - -", ["203.0.113.7"]],
    ["unix: - -", ["unix:"]],
  ])("before the time: %s", (before, addresses) => {
    expect(addressesOf(`${before} ${rest}`)).toEqual(addresses)
  })

  test.each([
    ['"203.0.113.9"', ["203.0.113.9", "10.0.0.1"]],
    ['"203.0.113.9, 198.51.100.1"', ["203.0.113.9", "198.51.100.1", "10.0.0.1"]],
    ["203.0.113.9", ["203.0.113.9", "10.0.0.1"]],
    ['"-"', ["10.0.0.1"]],
    ['"unknown, 203.0.113.9" rt=0.1', ["203.0.113.9", "10.0.0.1"]],
    ["0.003", ["10.0.0.1"]],
  ])("at the end: %s", (after, addresses) => {
    expect(addressesOf(`10.0.0.1 - - ${rest} ${after}`)).toEqual(addresses)
  })
})

describe("a line of another format", () => {
  test("may have quotes that nobody has escaped", () => {
    const line =
      '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a"b HTTP/1.1" 200 1 "https://x.org/"q"" "a "b" c"'
    expect(parseAccessLine(line)).toMatchObject({
      target: '/a"b',
      referrer: 'https://x.org/"q"',
      agent: 'a "b" c',
    })
  })

  test("is Traefik's, as text", () => {
    const line =
      '203.0.113.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/2.0" 200 12 "-" "UA" 7 "web@docker" "http://172.18.0.3:80" 1ms'
    expect(parseAccessLine(line)).toMatchObject({ addresses: ["203.0.113.7"], target: "/a", agent: "UA" })
  })

  test("is Traefik's, as JSON", () => {
    const line = JSON.stringify({
      ...{
        ClientAddr: "203.0.113.7:5123",
        ClientHost: "203.0.113.7",
        DownstreamStatus: 200,
        OriginStatus: 200,
      },
      ...{ RequestMethod: "GET", RequestPath: "/a?b=c", RequestHost: "cv.example", RouterName: "web@docker" },
      ...{
        StartUTC: "2015-05-17T10:05:03.123456789Z",
        level: "info",
        msg: "",
        time: "2015-05-17T12:05:04+02:00",
      },
    })
    expect(parseAccessLine(line)).toEqual({
      ...{ addresses: ["203.0.113.7"], time: Date.parse("2015-05-17T10:05:03.123Z"), method: "GET" },
      ...{ target: "/a?b=c", status: 200, referrer: null, agent: null, contentType: null },
    })
    const headers = {
      "request_User-Agent": "UA",
      request_Referer: "https://x.org/",
      "request_X-Forwarded-For": "192.0.2.9",
    }
    expect(parseAccessLine(JSON.stringify({ ...JSON.parse(line), ...headers }))).toMatchObject({
      ...{ addresses: ["192.0.2.9", "203.0.113.7"], agent: "UA", referrer: "https://x.org/" },
    })
  })

  test.each([
    {
      time_local: "17/May/2015:10:05:03 +0000",
      remote_addr: "192.0.2.1",
      request_method: "GET",
      request_uri: "/a",
    },
    { "@timestamp": "2015-05-17T10:05:03Z", client_ip: "192.0.2.1", method: "get", path: "/a" },
    { ts: 1431857103.5, remoteIp: "192.0.2.1", request: "GET /a HTTP/1.1" },
    { msec: "1431857103.000", remote_addr: "192.0.2.1", request: "GET /a HTTP/1.1" },
    { timestamp: 1431857103000, ip: "192.0.2.1", method: "GET", url: "https://cv.example/a" },
  ])("is JSON as people have servers write it: %j", (fields) => {
    const parsed = parseAccessLine(JSON.stringify({ ...fields, status: "200", http_user_agent: "UA" }))
    expect(parsed).toMatchObject({
      addresses: ["192.0.2.1"],
      method: "GET",
      target: "/a",
      status: 200,
      agent: "UA",
    })
    expect(Math.abs((parsed?.time ?? 0) - Date.parse("2015-05-17T10:05:03Z"))).toBeLessThan(1000)
  })

  test.each([
    '{"level":"info","msg":"started"}',
    '{"a":',
    "[]",
    '{"request":"GET / HTTP/1.1"}',
    '{"request":{}}',
  ])("is none: %s", (line) => expect(parseAccessLine(line)).toBeNull())
})

test.each([
  ["#Fields: date time c-ip cs-method", "W3C"],
  ["2026/11/29 17:00:00 [error] 12#12: *1 open() failed", "nginx's error log"],
  ["[Sun Nov 29 17:26:50.1 2026] [core:error] [pid 1] AH00124", "Apache's error log"],
  ["hello", "None of the lines is of an access log"],
])("what a file is that is none is said: %s", (line, said) => {
  expect(parseAccessLine(line)).toBeNull()
  expect(notALog([line])).toContain(said)
})
