import { describe, expect, test } from "vitest"
import { keepParameters, pageOf, spelledPage, spelledPart } from "../../src/domain/pageUrl.ts"

describe("the page of a URL", () => {
  test.each([
    ["https://Example.org/cv?theme=backend#top", "/cv?theme=backend", "example.org"],
    ["https://example.org", "/", "example.org"],
    ["https://example.org?theme=a", "/?theme=a", "example.org"],
    ["https://user:secret@example.org:443/", "/", "example.org"],
    ["http://localhost:3000/a", "/a", "localhost:3000"],
    ["//example.org/a", "/a", "example.org"],
    ["/cv", "/cv", null],
    ["cv", "/cv", null],
    ["", "/", null],
    ["/a#b?c=d", "/a", null],
    ["https://example.org/app?theme=b#/about?token=x", "/app?theme=b#/about", "example.org"],
    ["/#!/about", "/#!/about", null],
    ["/projets/été?q=1%202", "/projets/été?q=1%202", null],
    ["app://page", "/", "page"],
    ["https://[2001:db8::1]:8080/a", "/a", "[2001:db8::1]:8080"],
  ])("%s", (url, page, host) => {
    expect(pageOf(url)).toEqual({ page, host })
  })

  test("is without what tells where the visitor came from", () => {
    expect(pageOf("/a?utm_source=x&theme=b&ref=y&utm_campaign=z&source=n&UTM_Medium=m").page).toBe(
      "/a?theme=b",
    )
    expect(pageOf("/a?utm_source=x").page).toBe("/a")
  })
})

describe("a page has one spelling", () => {
  test.each([
    ...[
      ["/café", "/café", "/caf%C3%A9", "/caf%c3%a9"],
      ["/日本/🎈", "/日本/🎈", "/%E6%97%A5%e6%9c%ac/%F0%9F%8E%88"],
      ["/a b", "/a%20b", "/a%20b"],
      ["/a~b", "/a~b", "/a%7Eb", "/a%7eb", "/%61~b"],
      ["/a%2Fb", "/a%2Fb", "/a%2fb"],
      ["/100%", "/100%25", "/100%25"],
      ["/%E9t%E9", "/%E9t%E9", "/%e9t%e9"],
      ["/\ta%0a", "/%09a%0A", "/%09a%0A"],
    ],
    ...[
      ["/b", "/b", "/a/../b", "//b", "/./b", "/../b", "/a/%2e%2E/b", "///b"],
      ["/a/", "/a/", "/a/.", "/a/b/..", "//a//"],
      ["/", "/", "/..", "/a/..", "///"],
      ["/.well-known/x", "/.well-known/x", "/.well-known//x"],
    ],
    ["/cv?theme=été&q=//a/../b", "/cv?theme=été&q=//a/../b", "/./cv?theme=%c3%a9t%C3%A9&q=//a/../b"],
    ["/#/café", "/#/café", "/#/caf%C3%A9"],
  ])("%s", (first, page, ...others) => {
    for (const each of [first, page, ...others]) {
      expect(pageOf(`https://example.org${each}`).page).toBe(page)
      expect(spelledPage(each)).toBe(page)
    }
    expect(spelledPage(page)).toBe(page)
  })

  test("that is so when it is spelled again, whatever it is made of", () => {
    const parts = [
      "%",
      "25",
      "2f",
      "%2e",
      "..",
      ".",
      "/",
      "//",
      "é",
      "%C3",
      "%a9",
      " ",
      "?",
      "#",
      "a",
      "\ufeff",
    ]
    for (let n = 0; n < parts.length ** 3; n++) {
      const page = `/${[n, n / parts.length, n / parts.length ** 2].map((at) => parts[Math.floor(at) % parts.length]).join("")}`
      expect(spelledPage(spelledPage(page))).toBe(spelledPage(page))
      expect(spelledPart(spelledPart(page))).toBe(spelledPart(page))
    }
  })

  test("of which a part is one, too, also where an escape is cut", () => {
    expect(["caf%c3%a9/..", "%", "100%", "/%C", "%zz", "%%34"].map(spelledPart)).toEqual([
      "café/..",
      "%",
      "100%",
      "/%C",
      "%25zz",
      "%254",
    ])
  })
})

describe("parameters that are kept", () => {
  test("stay as they were written, in their order; names are compared decoded", () => {
    const names: Array<string> = []
    const kept = keepParameters("b=1&a%5B%5D=%20&&c&b=2&%zz=1&d+e=3", (name) => {
      names.push(name)
      return name !== "c"
    })
    expect(kept).toBe("b=1&a%5B%5D=%20&b=2&%zz=1&d+e=3")
    expect(names).toEqual(["b", "a[]", "c", "b", "%zz", "d e"])
  })
})
