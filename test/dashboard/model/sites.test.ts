import { expect, test } from "vitest"
import { differing, slugsChosen } from "../../../src/dashboard/model/sites.ts"
import { isZone, zoneOfSites } from "../../../src/dashboard/model/zones.ts"

test.each([
  [null, ["main"]],
  ["blog", ["blog"]],
  ["all", ["blog", "main", "shop"]],
  ["shop,blog", ["blog", "shop"]],
  ["nope", []],
  ["blog,nope", []],
])("the choice %s is of %j", (site, slugs) => {
  expect(slugsChosen(site, ["main", "blog", "shop"])).toEqual(slugs)
  expect(slugsChosen(site, [])).toEqual([])
})

test("sites have a zone in common, or none; one that the browser does not know is none", () => {
  const zones = new Map([
    ["paris", "Europe/Paris"],
    ["lyon", "Europe/Paris"],
    ["tokyo", "Asia/Tokyo"],
    ["mars", "Mars/Olympus"],
  ])
  const zoneOf = (...sites: ReadonlyArray<string>) => zoneOfSites(sites, zones)
  expect([zoneOf("paris"), zoneOf("paris", "lyon")]).toEqual(["Europe/Paris", "Europe/Paris"])
  expect([zoneOf(), zoneOf("main"), zoneOf("paris", "tokyo"), zoneOf("paris", "main")]).toEqual(
    Array.from({ length: 4 }),
  )
  expect([isZone("Mars/Olympus"), zoneOf("mars")]).toEqual([false, undefined])
})

test("a change has what differs", () => {
  const site = { name: "Blog", hosts: ["blog.example"], zone: null }
  expect(differing(site, { ...site, hosts: ["blog.example"] })).toEqual({})
  expect(differing<object>(site, { ...site, name: "Notes", zone: "UTC" })).toEqual({
    name: "Notes",
    zone: "UTC",
  })
})
