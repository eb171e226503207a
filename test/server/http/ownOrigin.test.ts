import { describe, expect, test } from "vitest"
import { RequestHeaders } from "../../../src/server/http/headers.ts"
import { isOwnOrigin } from "../../../src/server/http/ownOrigin.ts"

const isOwn = (origin: string, headers: Partial<RequestHeaders>, behindProxy: boolean) =>
  isOwnOrigin(origin, Object.assign(new RequestHeaders(), headers), behindProxy)

describe("a page's origin is the server's own", () => {
  test.each([
    ["http://site.example", { host: "site.example" }],
    ["http://site.example:8080", { host: "site.example:8080" }],
    ["https://site.example", { host: "site.example:443" }],
    ["http://site.example", { host: "site.example:80" }],
    ["https://site.example", { host: "SITE.example" }],
    ["http://[::1]:8080", { host: "[::1]:8080" }],
  ])("whoever asks: %s for %o", (origin, headers) => {
    expect([isOwn(origin, headers, false), isOwn(origin, headers, true)]).toEqual([true, true])
  })

  test.each([
    // nginx' $host
    ["https://site.example:8443", { host: "site.example" }],
    ["https://site.example", { host: "node:8080", "x-forwarded-host": "site.example" }],
    ["https://site.example", { host: "node:8080", "x-forwarded-host": "site.example:443, inner.example" }],
    ["https://site.example", { host: "node:8080", forwarded: 'for=1.1.1.1;host="site.example:443"' }],
  ])("if a trusted proxy says so, and no one else: %s for %o", (origin, headers) => {
    expect([isOwn(origin, headers, true), isOwn(origin, headers, false)]).toEqual([true, false])
  })

  test.each([
    ["https://other.example", { host: "site.example" }],
    ["https://site.example:8443", { host: "site.example:443" }],
    ["http://site.example", { host: "site.example:443" }],
    ["https://site.example.other", { host: "site.example" }],
    ["https://other.example", { host: "", "x-forwarded-host": "", forwarded: "" }],
    ["https://other.example", { host: "site.example", forwarded: 'host="other.example' }],
    ["null", { host: "site.example" }],
  ])("never otherwise: %s for %o", (origin, headers) => {
    expect([isOwn(origin, headers, true), isOwn(origin, headers, false)]).toEqual([false, false])
  })
})
