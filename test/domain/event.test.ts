import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { themeOf } from "../../src/domain/aggregation.ts"
import { decodeEvent, type EventContext, type EventInput, Rejection } from "../../src/domain/event.ts"
import { parseExactly } from "../../src/domain/exactJson.ts"
import { MAX_AGE_MS, MAX_AHEAD_MS } from "../../src/domain/limits.ts"
import { PageQuery } from "../../src/domain/pageQuery.ts"

const NOW = Date.parse("2025-12-08T12:00:00Z")
const VISITOR = "0b8a4c1e-8d0a-4a4f-9a53-2f8f3a3b1c22"
const context: EventContext = {
  now: NOW,
  sites: new Set(["main", "blog"]),
  archived: new Set(["old"]),
  site: "main",
  referer: null,
  pageQuery: new PageQuery("*"),
}

const accepted = (body: unknown, given: Partial<EventContext> = {}): EventInput => {
  const result = decodeEvent(body, { ...context, ...given })
  if (result instanceof Rejection) throw new Error(`refused: ${result.code} ${result.error}`)
  return result
}

const refused = (body: unknown): Rejection => {
  const result = decodeEvent(body, context)
  if (!(result instanceof Rejection)) throw new Error("the event was accepted")
  return result
}

describe("an event with a name", () => {
  test.each([
    ["Größe geändert", "grosse_geandert"],
    ["  Signup: done! ", "signup:_done"],
    ["Przesłano CV", "przeslano_cv"],
    ["page_view", "page_view"],
    ["pageview", "page_view"],
    ["a".repeat(120), "a".repeat(50)],
  ])("%j is of the type %s", (name, type) => {
    expect(accepted({ name })).toMatchObject({ name, type })
  })

  test("in another script is of a type of its own, always the same one", () => {
    const types = ["登録", "Регистрация", "🎉"].map((name) => accepted({ name }).type)
    for (const type of types) expect(type).toMatch(/^event_[a-z0-9]+$/)
    expect(new Set(types).size).toBe(3)
    expect(accepted({ name: "登録" }).type).toBe(types[0])
  })

  test("keeps a type that is given, too; a name that is none is ignored beside one, as it was before", () => {
    expect(accepted({ event_type: "signup", name: "Sign-up" })).toMatchObject({
      type: "signup",
      name: "Sign-up",
    })
    for (const name of ["", "   ", "a".repeat(121), 5, null, {}])
      expect(accepted({ event_type: "signup", name })).toMatchObject({ type: "signup", name: null })
    for (const name of ["", "a".repeat(121), 5]) expect(refused({ name }).code).toBe("INVALID_EVENT_TYPE")
  })
})

test("a theme and an address end before a character that has no room", () => {
  const theme = `${"x".repeat(99)}😀`
  expect(themeOf({ type: "cv_theme_change", data: { theme } })).toBe("x".repeat(99))
  expect(accepted({ event_type: "page_view", page_url: `/${"x".repeat(498)}😀` }).pageUrl).toHaveLength(499)
})

describe("numbers of event_data", () => {
  const data = (json: string) => ({ event_type: "order", event_data: parseExactly(`{"a":[{"b":${json}}]}`) })

  test.each([
    ...["9007199254740993", "1524831183200260097", "-9007199254740993", "1e400", "-1e400", "1e-400"],
    ...["123456789012345678901234567890", `1${"0".repeat(400)}`],
  ])("are refused where they would become others: %s", (json) => {
    const { code, error } = refused(data(json))
    expect(code).toBe("INVALID_EVENT_DATA")
    expect(error).toContain(json.slice(0, 40))
    expect(error.length).toBeLessThan(150)
  })

  test.each([
    ...["0", "-0", "1", "9007199254740991", "9007199254740992", "-9007199254740992", "100000000000000000000"],
    ...[
      "0.1",
      "1.10",
      "0.30000000000000004",
      "3.14159265358979323846",
      "1e21",
      "1.5e300",
      "2E-5",
      "0e999",
      "12e5",
    ],
  ])("are kept: %s", (json) => {
    expect(JSON.parse(accepted(data(json)).data ?? "")).toEqual({ a: [{ b: Number(json) + 0 }] })
  })

  test("are looked at as numbers only: a text may look like one", () => {
    const text = '{"a":"[9007199254740993, 1e400]","9007199254740993":["1e400"]}'
    expect(accepted({ event_type: "order", event_data: parseExactly(text) }).data).toBe(text)
  })

  test("are those that were sent, or the event is refused, whatever they are", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), (number) => {
        const result = decodeEvent(data(String(number)), context)
        if (result instanceof Rejection) expect(BigInt(Number(number))).not.toBe(number)
        else expect(BigInt(JSON.parse(result.data ?? "").a[0].b)).toBe(number)
      }),
    )
  })
})

test("a time in seconds is named as such", () => {
  expect(refused({ event_type: "page_view", timestamp: Math.trunc(NOW / 1000) }).error).toMatch(/in seconds/)
  expect(refused({ event_type: "page_view", timestamp: 1 }).error).not.toMatch(/in seconds/)
})

test.each([null, "", undefined])(
  "the alias of letter_type counts beside a letter_type of %j",
  (letter_type) => {
    const event_data = { type: "motivation", letter_type }
    expect(JSON.parse(accepted({ event_type: "letter_generate", event_data }).data ?? "")).toEqual({
      letter_type: "motivation",
    })
  },
)

describe("an event that is accepted", () => {
  test("keeps what the sender said", () => {
    expect(
      accepted({
        event_type: "button_click",
        event_data: { x: 1, y: 2 },
        page_url: "/cv",
        referrer: "https://example.com/",
        id: VISITOR.toUpperCase(),
        visitor_id: VISITOR,
        timestamp: "2025-12-08T11:59:59.5+00:00",
        site: "blog",
      }),
    ).toEqual({
      site: "blog",
      id: VISITOR,
      visitorId: VISITOR,
      type: "button_click",
      createdAt: NOW - 500,
      pageUrl: "/cv",
      referrer: "https://example.com/",
      data: '{"x":1,"y":2}',
      name: null,
      title: null,
      screen: null,
      language: null,
      userAgent: null,
      sentPageUrl: "/cv",
    })
  })

  test.each([
    ["cv_theme_view", "cv_theme_change"],
    ["cv_theme_selected", "cv_theme_change"],
    ["letter_generated", "letter_generate"],
    ["pageview", "page_view"],
    ["pdf_downloaded", "pdf_download"],
    ["page_view", "page_view"],
    ["my.own:event-1", "my.own:event-1"],
  ])("of type %s is a %s", (type, known) => {
    expect(accepted({ event_type: type }).type).toBe(known)
  })

  test("of a letter may say its type as `type`", () => {
    expect(accepted({ event_type: "letter_generated", event_data: { type: "motivation", a: 1 } }).data).toBe(
      '{"a":1,"letter_type":"motivation"}',
    )
    expect(
      accepted({ event_type: "letter_generate", event_data: { type: "x", letter_type: "motivation" } }).data,
    ).toBe('{"type":"x","letter_type":"motivation"}')
  })

  test("has its URLs cut at 500, never within a surrogate pair", () => {
    expect(accepted({ event_type: "page_view", page_url: "a".repeat(501) }).pageUrl).toBe("a".repeat(500))
    expect(accepted({ event_type: "page_view", page_url: `${"a".repeat(499)}😀` }).pageUrl).toBe(
      "a".repeat(499),
    )
  })

  test("has the Referer header when it names no referrer", () => {
    expect(accepted({ event_type: "page_view" }, { referer: "https://a/" }).referrer).toBe("https://a/")
    expect(
      accepted({ event_type: "page_view", referrer: "https://b/" }, { referer: "https://a/" }).referrer,
    ).toBe("https://b/")
  })

  test("may lie between 7 days ago and 5 minutes ahead, as ISO 8601 or unix milliseconds", () => {
    for (const at of [NOW - MAX_AGE_MS, NOW, NOW + MAX_AHEAD_MS]) {
      expect(accepted({ event_type: "page_view", timestamp: at }).createdAt).toBe(at)
      expect(accepted({ event_type: "page_view", timestamp: new Date(at).toISOString() }).createdAt).toBe(at)
    }
  })

  test.each([
    [{ age: 0 }, NOW],
    [{ age: 1500.7 }, NOW - 1500],
    [{ age: MAX_AGE_MS }, NOW - MAX_AGE_MS],
    [{ age: 1500, timestamp: NOW }, NOW],
    [{ age: 1500, timestamp: null }, NOW - 1500],
    [{ age: -1 }, NOW],
    [{ age: "1500" }, NOW],
    [{ age: null }, NOW],
  ])("%j is of %i", (fields, at) => {
    expect(accepted({ event_type: "page_view", ...fields }).createdAt).toBe(at)
  })
})

describe("an event that is refused", () => {
  const page = { event_type: "page_view" }
  const deep = (levels: number): unknown => (levels === 0 ? {} : { a: deep(levels - 1) })

  test.each<[string, unknown, string]>([
    ["no object", [], "INVALID_BODY"],
    ["null", null, "INVALID_BODY"],
    ["no type", {}, "INVALID_EVENT_TYPE"],
    ["an empty type", { event_type: "" }, "INVALID_EVENT_TYPE"],
    ["capitals in the type", { event_type: "Page" }, "INVALID_EVENT_TYPE"],
    ["a long type", { event_type: "a".repeat(51) }, "INVALID_EVENT_TYPE"],
    ["a type that is no string", { event_type: 1 }, "INVALID_EVENT_TYPE"],
    ["an array as data", { ...page, event_data: [] }, "INVALID_EVENT_DATA"],
    ["a string as data", { ...page, event_data: "x" }, "INVALID_EVENT_DATA"],
    ["too much data", { ...page, event_data: { a: "x".repeat(8192) } }, "EVENT_DATA_TOO_LARGE"],
    ["data that nests too deep", { ...page, event_data: deep(32) }, "INVALID_EVENT_DATA"],
    ["NUL in data", { ...page, event_data: { a: ["\u0000"] } }, "INVALID_EVENT_DATA"],
    ["a lone surrogate in data", { ...page, event_data: { a: "\ud800" } }, "INVALID_EVENT_DATA"],
    ["a lone surrogate in a key", { ...page, event_data: { "\udc00": 1 } }, "INVALID_EVENT_DATA"],
    [
      "__proto__ in data",
      JSON.parse('{"event_type":"page_view","event_data":{"__proto__":{}}}'),
      "INVALID_EVENT_DATA",
    ],
    ["a number as page", { ...page, page_url: 1 }, "INVALID_PAGE_URL"],
    ["NUL in the page", { ...page, page_url: "/\u0000" }, "INVALID_PAGE_URL"],
    ["an object as referrer", { ...page, referrer: {} }, "INVALID_REFERRER"],
    ["an id that is no UUID", { ...page, id: "1" }, "INVALID_ID"],
    ["a visitor that is no UUID", { ...page, visitor_id: "me" }, "INVALID_VISITOR_ID"],
    ["a time in words", { ...page, timestamp: "yesterday" }, "INVALID_TIMESTAMP"],
    ["a local time", { ...page, timestamp: "2025-12-08T12:00:00" }, "INVALID_TIMESTAMP"],
    ["an impossible date", { ...page, timestamp: "2025-13-08T12:00:00Z" }, "INVALID_TIMESTAMP"],
    ["a day that its month lacks", { ...page, timestamp: "2025-11-31T12:00:00Z" }, "INVALID_TIMESTAMP"],
    ["29 February of a year without", { ...page, timestamp: "2025-02-29T12:00:00Z" }, "INVALID_TIMESTAMP"],
    ["a number that is not held", { ...page, timestamp: parseExactly("[1e400]") }, "INVALID_TIMESTAMP"],
    ["an infinite time", { ...page, timestamp: Number.POSITIVE_INFINITY }, "INVALID_TIMESTAMP"],
    ["an age too great", { ...page, age: MAX_AGE_MS + 1 }, "TIMESTAMP_OUT_OF_RANGE"],
    ["a time too far back", { ...page, timestamp: NOW - MAX_AGE_MS - 1 }, "TIMESTAMP_OUT_OF_RANGE"],
    ["a time too far ahead", { ...page, timestamp: NOW + MAX_AHEAD_MS + 1 }, "TIMESTAMP_OUT_OF_RANGE"],
    ["a site that is no string", { ...page, site: 1 }, "INVALID_SITE"],
    ["an undeclared site", { ...page, site: "shop" }, "UNKNOWN_SITE"],
    ["an archived site", { ...page, site: "old" }, "SITE_ARCHIVED"],
  ])("because of %s says so", (_, body, code) => {
    const rejection = refused(body)
    expect(rejection.code).toBe(code)
    expect(rejection.error).toMatch(/\.$/)
  })

  test("never throws, whatever JSON it is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        const result = decodeEvent(body, context)
        return result instanceof Rejection || typeof result.type === "string"
      }),
    )
  })
})
