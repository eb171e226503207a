import { describe, expect, test } from "vitest"
import { parseRedisUrl, shownRedisUrl, withPassword } from "../../src/config/redisUrl.ts"
import { Expected } from "../../src/config/values.ts"

const parsed = (text: string) => {
  const url = parseRedisUrl(text)
  if (url instanceof Expected) throw new Error(url.what)
  return url
}

describe("REDIS_URL", () => {
  test.each([
    ["redis://localhost", { tls: false, hosts: [{ host: "localhost", port: 6379 }], database: 0 }],
    ["rediss://:secret@a.example:6380/3", { tls: true, username: "", password: "secret", database: 3 }],
    ["redis://[::1]:7000", { hosts: [{ host: "::1", port: 7000 }] }],
    ["redis://a.example?family=0", { hosts: [{ host: "a.example", port: 6379 }] }],
    [
      "redis://app:secret@a:6379,b,[fd00::3]:7001/0",
      {
        username: "app",
        password: "secret",
        hosts: [
          { host: "a", port: 6379 },
          { host: "b", port: 6379 },
          { host: "fd00::3", port: 7001 },
        ],
      },
    ],
    [
      "rediss+sentinel://app:secret@a,b:26380/my%20master/2?sentinel_username=watch&sentinel_password=x%3Dy",
      {
        tls: true,
        masterName: "my master",
        database: 2,
        hosts: [
          { host: "a", port: 26379 },
          { host: "b", port: 26380 },
        ],
        sentinelUsername: "watch",
        sentinelPassword: "x=y",
      },
    ],
  ])("%s is understood", (text, parts) => {
    expect(parsed(text)).toMatchObject(parts)
  })

  test("shows neither user nor password", () => {
    const shown = (text: string) => shownRedisUrl(parsed(text))
    expect(shown("rediss://app:secret@a,[::1]:7001/3")).toBe("rediss://a:6379,[::1]:7001/3")
    expect(shown("redis+sentinel://:secret@a/main?sentinel_password=secret")).toBe(
      "redis+sentinel://a:26379/main",
    )
  })

  test.each([..."@:/#%?&=+ ,;\"'\\ü"])("takes a password with %s, percent-encoded", (character) => {
    const password = `a${character}b`
    expect(parsed(`redis://:${encodeURIComponent(password)}@host`).password).toBe(password)
  })

  test.each([
    "redis://:a/b@host",
    "redis://:a#b@host",
    "redis://:a?b@host",
    "redis://:100%@host",
    "redis://:ab%cd@host",
    "redis://:a@b/c@host",
    "redis+sentinel://a/main?sentinel_password=a#b",
    "redis+sentinel://a/main?sentinel_password=a@b",
  ])("%s is told that its password has to be encoded", (text) => {
    expect(parseRedisUrl(text)).toEqual({
      what: expect.stringContaining("encode @ : / # % ? in the password"),
    })
  })

  test("takes a password from elsewhere where it has none", () => {
    const password = "p@ss:w/o#r?d%41"
    const given = (text: string) => parsed(withPassword(text, password))
    expect(given("redis://host:7000/3")).toMatchObject({ username: "", password, database: 3 })
    expect(given("rediss://app@a,b")).toMatchObject({ username: "app", password, tls: true })
    expect(given("redis+sentinel://a@b:@c/main?sentinel_password=x")).toMatchObject({
      ...{ username: "a@b", password, masterName: "main", sentinelPassword: "x" },
    })
    expect(given("redis://:own@host").password).toBe("own")
  })

  test.each([
    ["http://localhost", "redis://"],
    ["redis://", "names a host"],
    ["redis:///run/redis.sock", "not by the path of a socket"],
    ["redis://host:0", "redis://"],
    ["redis://host:70000", "redis://"],
    ["redis://a,,b", "redis://"],
    ["redis://::1:6379", "redis://"],
    ["redis://host/zero", "redis://"],
    ["redis://host/0/1", "redis://"],
    ["redis+sentinel://a,b", "redis+sentinel://"],
    ["redis://host?tls=yes", "no parameters but family"],
    ["redis+sentinel://a/main?password=x", "sentinel_password"],
  ])("%s is refused with what it should be", (text, words) => {
    expect(parseRedisUrl(text)).toEqual({ what: expect.stringContaining(words) })
  })
})
