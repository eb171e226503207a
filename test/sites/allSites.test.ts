/** Which sites there are, by the settings and by what is stored. */
import { describe, expect, test } from "vitest"
import { pageHosts } from "../../src/config/values.ts"
import {
  allSites,
  Exclusions,
  type FromSettings,
  isLike,
  SiteDirectory,
  type SiteRow,
} from "../../src/sites/index.ts"

const SETTINGS: FromSettings = ["main", "blog"]
const NOTHING_LEFT_OUT = { excluded_paths: [], excluded_addresses: [] }
const row = (slug: string, more: Partial<SiteRow> = {}): SiteRow => ({
  ...{ slug, name: null, hosts: [], otherHosts: "count" as const, archived: false, added: true },
  ...{ timeZone: null, retentionDays: null, excludedPaths: [], excludedAddresses: [] },
  ...more,
})

describe("all sites", () => {
  test("are those of SITES, called as their slugs are, where nothing is stored", () => {
    const { declared, taking, archived, details, default: byDefault } = allSites(SETTINGS, [])
    expect([...declared]).toEqual(["main", "blog"])
    expect(taking).toEqual(declared)
    expect(archived.size).toBe(0)
    expect(byDefault).toBe("main")
    expect(details.get("blog")).toEqual({
      slug: "blog",
      name: "blog",
      hosts: [],
      ...{ other_hosts: "count", only_hosts: false },
      time_zone: null,
      retention_days: null,
      archived: false,
      ...NOTHING_LEFT_OUT,
    })
  })

  test("are those that were added, too, after those of SITES", () => {
    const rows = [row("shop", { name: "The shop", hosts: ["shop.example"] }), row("docs")]
    const { declared, details } = allSites(SETTINGS, rows)
    expect([...declared]).toEqual(["main", "blog", "shop", "docs"])
    expect(details.get("shop")).toEqual({
      ...{
        slug: "shop",
        name: "The shop",
        hosts: ["shop.example"],
        ...{ other_hosts: "count", only_hosts: false },
        time_zone: null,
        retention_days: null,
        archived: false,
        ...NOTHING_LEFT_OUT,
      },
    })
  })

  test("are not those that SITES had once, whatever is stored of them", () => {
    const { declared } = allSites(SETTINGS, [row("old", { name: "Old", added: false })])
    expect([...declared]).toEqual(["main", "blog"])
  })

  test("are the same once each where SITES has one that was added", () => {
    const { declared, details } = allSites(SETTINGS, [row("blog", { name: "Notes" })])
    expect([...declared]).toEqual(["main", "blog"])
    expect(details.get("blog")?.name).toBe("Notes")
  })

  test("take no events when they are archived, but for the default one, which takes those that name none", () => {
    const rows = ["main", "blog", "shop"].map((slug) => row(slug, { archived: true, added: slug === "shop" }))
    const { declared, taking, archived } = allSites(SETTINGS, rows)
    expect([...declared]).toEqual(["main", "blog", "shop"])
    expect([...taking]).toEqual(["main"])
    expect([...archived]).toEqual(["blog", "shop"])
  })

  test("are others after every change", () => {
    const directory = new SiteDirectory(SETTINGS)
    const before = directory.current
    directory.learn([row("shop")])
    expect(directory.current).not.toBe(before)
    expect([...directory.current.taking]).toEqual(["main", "blog", "shop"])
    directory.learn([])
    expect([...directory.current.taking]).toEqual(["main", "blog"])
  })
})

describe("what is left out", () => {
  test.each([
    ["/admin", "/admin", true],
    ["/admin", "/admin/", false],
    ["/admin", "/x/admin", false],
    ["/admin/*", "/admin/users", true],
    ["/admin/*", "/admin/", true],
    ["/admin/*", "/admin", false],
    ["*", "/", true],
    ["*.pdf", "/cv.pdf", true],
    ["*.pdf", "/cv.pdf/", false],
    ["/a*b*c", "/axbxc", true],
    ["/a*b*c", "/axcxb", false],
    ["/a*a", "/a", false],
    ["/a**a", "/aa", true],
    ["/*/edit", "/notes/1/edit", true],
  ])("%j has %j: %j", (pattern, path, has) => {
    expect(isLike(pattern, path)).toBe(has)
    expect(new Exclusions(["/never", pattern], []).hasPath(path)).toBe(has)
  })

  test("takes no longer for a pattern that is made to take long", () => {
    const hostile = `${"*a".repeat(100)}*b`
    expect(isLike(hostile, `/${"a".repeat(100_000)}`)).toBe(false)
  })

  test.each([
    ["192.0.2.7", true],
    ["192.0.2.8", false],
    ["198.51.100.200", true],
    ["2001:db8:0:0:0:0:0:1", true],
    ["2001:db9::1", false],
    ["unknown", false],
  ])("has the address %j: %j", (address, has) => {
    const all = new Exclusions([], ["192.0.2.7", "198.51.100.0/24", "2001:db8::/32"])
    expect(all.hasAddress(address)).toBe(has)
    expect(new Exclusions(["*"], []).hasAddress(address)).toBe(false)
  })
})

describe("hosts of pages", () => {
  test.each([
    ["", []],
    ["Example.COM", ["example.com"]],
    ["example.com, blog.example.com:8080,example.com", ["example.com", "blog.example.com:8080"]],
    ["exämple.de,127.0.0.1,[::1]:3000", ["xn--exmple-cua.de", "127.0.0.1", "[::1]:3000"]],
  ])("%j are %j", (text, hosts) => expect(pageHosts(text)).toEqual(hosts))

  test.each([
    "https://example.com",
    "example.com/blog",
    "a b",
    "-a",
    "1.5",
    "example.com:80",
    "user@example.com",
    "example.com?x",
    Array.from({ length: 21 }, (_, i) => `${i}.example.com`).join(","),
  ])("%j are none", (text) => expect(pageHosts(text)).toHaveProperty("what"))
})
