/** Reading lines of the combined log format. */
import { describe, expect, test } from "vitest"
import { parseAccessLine } from "../../../src/tools/replay/accessLog.ts"
import { logLine } from "./logLine.ts"

describe("a line of the combined log format", () => {
  test("is read field by field", () => {
    expect(
      parseAccessLine(
        '2001:db8::1 - ann lee [17/May/2015:10:05:03 +0200] "GET /a?b=c HTTP/2.0" 200 - "https://x.org/" "UA (x)"',
      ),
    ).toEqual({
      address: "2001:db8::1",
      time: Date.parse("2015-05-17T08:05:03Z"),
      method: "GET",
      target: "/a?b=c",
      status: 200,
      referrer: "https://x.org/",
      agent: "UA (x)",
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
    [logLine({ agent: 'a "b" c' }), "unescaped quotes"],
  ])("is refused when malformed: %s (%s)", (line) => {
    expect(parseAccessLine(line)).toBeNull()
  })
})
