import { describe, expect, test } from "vitest"
import { acceptedLanguage, languageOf } from "../../src/domain/language.ts"
import { isSecret, keptReferrer, PageQuery } from "../../src/domain/pageQuery.ts"
import { SCREENS, screenOf } from "../../src/domain/screen.ts"

describe("of a page's URL", () => {
  const few = new PageQuery(["lang", "page"])
  const all = new PageQuery("*")

  test.each([
    ["https://a.example/cv", "https://a.example/cv", "https://a.example/cv"],
    [
      "/cv?theme=a&lang=fr&x=1&utm_source=b&ref=c&source=d#top",
      "/cv?theme=a&lang=fr&utm_source=b&ref=c&source=d#top",
      "/cv?theme=a&lang=fr&x=1&utm_source=b&ref=c&source=d#top",
    ],
    ["/cv?x=1", "/cv", "/cv?x=1"],
    ["/cv?", "/cv", "/cv"],
    ["/reset?token=abc&lang=fr", "/reset?lang=fr", "/reset?lang=fr"],
    ["/cb?code=abc&state=def&page=2", "/cb?page=2", "/cb?page=2"],
    ["/#access_token=abc&lang=fr", "/#lang=fr", "/#lang=fr"],
    ["/#/login?token=abc", "/", "/"],
    ["/a#b?c", "/a#b?c", "/a#b?c"],
    ["https://user:pass@a.example/", "https://a.example/", "https://a.example/"],
    ["/mail@home", "/mail@home", "/mail@home"],
    ["/a?%74oken=abc", "/a", "/a"],
    ["/a?x=%zz&theme=%zz", "/a?theme=%zz", "/a?x=%zz&theme=%zz"],
  ])("%s is kept %s, and of all but secrets %s", (url, kept, most) => {
    expect([few.kept(url), few.kept(url)]).toEqual([kept, kept])
    expect(all.kept(url)).toBe(most)
  })

  test("secrets go even where they are named", () => {
    expect(new PageQuery(["token", "key"]).kept("/a?token=1&key=2&theme=3")).toBe("/a?theme=3")
  })

  test.each([
    ...[
      "token",
      "access_token",
      "accessToken",
      "id-token",
      "code",
      "key",
      "api_key",
      "apikey",
      "password",
      "pwd",
    ],
    ...["client_secret", "X-Amz-Signature", "jwt", "otp", "sessionId", "sid"],
    ...["reset_code", "verification_code", "user[password]"],
  ])("%s is a secret", (name) => {
    expect(isSecret(name)).toBe(true)
  })

  test.each([
    "theme",
    "keyword",
    "country_code",
    "monkey",
    "q",
    "page",
    "passage",
    "hash_tag",
    "design",
    "keys",
  ])("%s is none", (name) => {
    expect(isSecret(name)).toBe(false)
  })

  test("a referrer keeps the rest of its query", () => {
    expect(keptReferrer("https://a.example/?q=x&token=1#b")).toBe("https://a.example/?q=x#b")
  })
})

describe("a screen's width", () => {
  test.each([
    [390, "0-575"],
    ["576x900", "576-991"],
    [991.5, "576-991"],
    [1439, "992-1439"],
    ["1440", "1440-1919"],
    ["1920×1080", "1920+"],
    [0, null],
    [-1, null],
    [Number.NaN, null],
    ["wide", null],
    [1e9, null],
    [null, null],
    [{ width: 5 }, null],
  ])("%j is in the class %s", (given, expected) => {
    expect(screenOf(given)).toBe(expected)
    if (expected !== null) expect(SCREENS).toContain(expected)
  })
})

describe("a language", () => {
  test.each([
    ["pt-BR,pt;q=0.9,en;q=0.8", "pt"],
    ["DE", "de"],
    ["zh-Hant-TW", "zh"],
    ["en;q=0.5, fr", "en"],
    ["fil", "fil"],
    ["*", null],
    ["", null],
    ["not a language", null],
  ])("%j is %s", (header, language) => {
    expect(acceptedLanguage(header)).toBe(language)
  })

  test("may be a tag alone", () => {
    expect(languageOf("pt_BR")).toBe("pt")
    expect(languageOf("1")).toBeNull()
  })
})
