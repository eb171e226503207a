import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { describe, expect, test } from "vitest"
import { openPlaces } from "../../src/enrichment/geoDatabase.ts"
import { NOWHERE, placeOfHeaders, placesIn } from "../../src/enrichment/place.ts"
import { run } from "../support/effects.ts"
import { eventually } from "../support/index.ts"
import { mmdb } from "../support/mmdb.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const BERLIN = {
  country: { iso_code: "DE", names: { en: "Germany" } },
  subdivisions: [{ iso_code: "BE", names: { en: "Land Berlin" } }],
  city: { names: { en: "Berlin", de: "Berlin" } },
}
const LIMA = { country_code: "PE", country: "Peru", region: "Lima region", city: "Lima" }

describe("a database", () => {
  test("tells places of IPv4 and IPv6 addresses, in either form of record", () => {
    const places = placesIn(
      mmdb({ "192.0.2.0/24": BERLIN, "2001:db8::/32": LIMA, "198.51.100.7/32": { country: "fr" } }),
    )
    expect(places.builtAt).toBe(1)
    expect(places.of("192.0.2.200")).toEqual({ country: "DE", region: "BE", city: "Berlin" })
    expect(places.of("2001:db8:1:2:0:0:0:1")).toEqual({ country: "PE", region: "Lima region", city: "Lima" })
    expect(places.of("198.51.100.7")).toEqual({ country: "FR", region: null, city: null })
    for (const address of ["198.51.100.8", "2001:db9::1", "unknown", ""])
      expect(places.of(address)).toEqual(NOWHERE)
  })
})

describe("a proxy's headers", () => {
  test.each([
    [
      { country: "DE", region: "BE", city: "Berlin" },
      { country: "DE", region: "BE", city: "Berlin" },
    ],
    [
      { country: "br", region: "", city: "S%C3%A3o%20Paulo" },
      { country: "BR", region: null, city: "São Paulo" },
    ],
    [
      { country: "FR", region: "", city: "100%" },
      { country: "FR", region: null, city: "100%" },
    ],
    [{ country: "XX", region: "", city: "" }, null],
    [{ country: "T1", region: "", city: "" }, null],
    [{ country: "<script>", region: "", city: "" }, null],
    [{ country: "", region: "BE", city: "Berlin" }, null],
  ])("%j", (headers, place) => {
    expect(placeOfHeaders(headers)).toEqual(place)
  })
})

describe("GEO_DATABASE", () => {
  test("is read again when its file changes; while that cannot be used, what was read last goes on answering", async () => {
    const path = join(temporaryFolder(), "places.mmdb")
    await writeFile(path, mmdb({ "192.0.2.0/24": BERLIN }))
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => {
      logged.push(String(message))
    })
    const test = Effect.gen(function* () {
      const places = yield* openPlaces(path, { everyMs: 10 })
      const country = () => places().of("192.0.2.1").country
      const change = (content: Buffer, holds: () => void) =>
        Effect.promise(async () => {
          await writeFile(path, content)
          await eventually(holds)
        })
      expect(country()).toBe("DE")
      yield* change(Buffer.from("no database".repeat(100)), () =>
        expect(logged.join()).toContain("places not read again"),
      )
      expect(country()).toBe("DE")
      yield* change(mmdb({ "192.0.2.0/24": LIMA, "192.0.3.0/24": BERLIN }), () =>
        expect(country()).toBe("PE"),
      )
    })
    await run(test.pipe(Effect.scoped, Effect.provide(Logger.layer([logger]))))
  })

  test.each([
    ["missing.mmdb", null],
    ["empty.mmdb", ""],
    ["text.mmdb", "this is no database"],
  ])("%s is refused in one sentence", async (name, content) => {
    const path = join(temporaryFolder(), name)
    if (content !== null) await writeFile(path, content)
    await expect(run(Effect.scoped(openPlaces(path)))).rejects.toThrow(
      /^GEO_DATABASE is ".*mmdb": it should be a file in the MaxMind DB format, \.mmdb \(.+\)\.$/,
    )
  })
})
