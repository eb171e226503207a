/** Which sites there are, by the settings and by what is stored. */
import { describe, expect, test } from "vitest"
import { pageHosts } from "../../src/config/values.ts"
import { allSites, type FromSettings, SiteDirectory, type SiteRow } from "../../src/sites/index.ts"

const SETTINGS: FromSettings = ["main", "blog"]
const row = (slug: string, more: Partial<SiteRow> = {}): SiteRow => ({
  ...{ slug, name: null, hosts: [], onlyHosts: false, archived: false, added: true },
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
      only_hosts: false,
      archived: false,
    })
  })

  test("are those that were added, too, after those of SITES", () => {
    const rows = [row("shop", { name: "The shop", hosts: ["shop.example"] }), row("docs")]
    const { declared, details } = allSites(SETTINGS, rows)
    expect([...declared]).toEqual(["main", "blog", "shop", "docs"])
    expect(details.get("shop")).toEqual({
      ...{ slug: "shop", name: "The shop", hosts: ["shop.example"], only_hosts: false, archived: false },
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
