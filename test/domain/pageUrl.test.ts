import { describe, expect, test } from "vitest"
import { keepParameters, pageOf } from "../../src/domain/pageUrl.ts"

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
