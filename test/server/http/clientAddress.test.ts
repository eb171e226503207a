import { describe, expect, test } from "vitest"
import {
  limitKey,
  normalizeAddress,
  socketAddress,
  TrustedProxies,
} from "../../../src/server/http/clientAddress.ts"
import { type AddressHeader, RequestHeaders } from "../../../src/server/http/headers.ts"
import { OwnWindows, RateLimit } from "../../../src/server/http/rateLimit.ts"

describe("an address", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:192.0.2.1", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["2001:DB8::00a1", "2001:db8:0:0:0:0:0:a1"],
    ["fe80::1%eth0", "fe80:0:0:0:0:0:0:1"],
    ["::", "0:0:0:0:0:0:0:0"],
    ["1.2.3", null],
    ["unknown", null],
    ["", null],
    ["2001:db8::1::2", null],
  ])("%s is %s", (text, normal) => {
    expect(normalizeAddress(text)).toBe(normal)
  })

  test("is limited by /64 in IPv6", () => {
    expect(limitKey("192.0.2.1")).toBe("192.0.2.1")
    const keys = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"].map((text) =>
      limitKey(normalizeAddress(text) ?? ""),
    )
    expect(new Set(keys)).toEqual(new Set(["2001:db8:1:2::/64"]))
  })

  test("of a socket reads as that of a header", () => {
    const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values).buffer
    expect(socketAddress(bytes(192, 0, 2, 1))).toBe("192.0.2.1")
    expect(socketAddress(bytes(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1))).toBe("192.0.2.1")
    expect(socketAddress(bytes(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa1))).toBe(
      normalizeAddress("2001:db8::a1"),
    )
    expect(socketAddress(bytes())).toBe("unknown")
  })
})

describe("trusted proxies", () => {
  const RANGES = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]
  const proxies = (clientAddressHeader: AddressHeader, trustedProxies = RANGES) =>
    new TrustedProxies({ trustedProxies, clientAddressHeader, proxyProtocol: false })
  const headers = (given: Partial<RequestHeaders>) => Object.assign(new RequestHeaders(), given)

  test.each([
    ["203.0.113.1", "1.1.1.1", "203.0.113.1"],
    ["10.0.0.1", "1.1.1.1", "1.1.1.1"],
    ["10.0.0.1", "9.9.9.9, 1.1.1.1, 10.2.2.2, 192.0.2.7", "1.1.1.1"],
    ["10.0.0.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"],
    ["10.0.0.1", "", "10.0.0.1"],
    ["10.0.0.1", "garbage", "10.0.0.1"],
    ["10.0.0.1", "1.1.1.1, garbage, 10.2.2.2", "10.2.2.2"],
    ["10.0.0.1", "1.1.1.1:5555", "1.1.1.1"],
    ["10.0.0.1", "[2001:db9::1]:443", "2001:db9:0:0:0:0:0:1"],
    ["2001:db8:0:0:0:0:0:5", "::ffff:1.1.1.1", "1.1.1.1"],
  ])("from %s with X-Forwarded-For: %s give %s", (peer, told, client) => {
    expect(proxies("x-forwarded-for").client(peer, headers({ "x-forwarded-for": told }))).toBe(client)
  })

  test.each([
    ["203.0.113.1", "for=1.1.1.1", "203.0.113.1"],
    ["10.0.0.1", "for=1.1.1.1", "1.1.1.1"],
    ["10.0.0.1", 'For="1.1.1.1:5555";Proto=https', "1.1.1.1"],
    [
      "10.0.0.1",
      'for=9.9.9.9, for="[2001:db9::1]:443";by=10.0.0.3;proto=https , for=10.2.2.2',
      "2001:db9:0:0:0:0:0:1",
    ],
    ["10.0.0.1", "for=1.1.1.1, proto=https", "10.0.0.1"],
    ["10.0.0.1", "for=1.1.1.1, for=unknown, for=10.2.2.2", "10.2.2.2"],
    ["10.0.0.1", "for=_hidden", "10.0.0.1"],
    // What a client leaves open must not hide, nor replace, what the proxy has appended.
    ["10.0.0.1", 'for="9.9.9.9, for=1.1.1.1', "10.0.0.1"],
    ["10.0.0.1", 'for=9.9.9.9;x=", for="1.1.1.1:80"', "10.0.0.1"],
    ["10.0.0.1", "for=9.9.9.9;", "10.0.0.1"],
  ])("from %s with Forwarded: %s give %s", (peer, told, client) => {
    expect(proxies("forwarded").client(peer, headers({ forwarded: told }))).toBe(client)
  })

  test("are asked for the address in the one header that was chosen", () => {
    const all = headers({
      "x-forwarded-for": "1.1.1.1",
      forwarded: "for=2.2.2.2",
      "x-real-ip": "3.3.3.3",
      "cf-connecting-ip": "4.4.4.4",
    })
    const told = (["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip"] as const).map((header) =>
      proxies(header).client("10.0.0.1", all),
    )
    expect(told).toEqual(["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"])
  })

  test("are none by default", () => {
    const told = headers({ "x-forwarded-for": "1.1.1.1" })
    expect(proxies("x-forwarded-for", []).client("127.0.0.1", told)).toBe("127.0.0.1")
  })
})

describe("the rate limit's memory", () => {
  test("is bounded: the address whose minute began first is forgotten", () => {
    const windows = new OwnWindows(3)
    const limit = new RateLimit(1, windows)
    for (const address of ["a", "b", "c"]) expect(limit.take(address, 1, 0).granted).toBe(1)
    expect(limit.take("a", 1, 0).granted).toBe(0)
    limit.take("d", 1, 0)
    expect(windows.size).toBe(3)
    expect(limit.take("b", 1, 0).granted).toBe(0)
    expect(limit.take("a", 1, 0).granted).toBe(1)
  })

  test("takes a clock that was set back for a new minute", () => {
    const limit = new RateLimit(1)
    limit.take("a", 1, 1_000_000)
    expect(limit.take("a", 1, 0).granted).toBe(1)
  })
})
