import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { WORLD, worldMap } from "../../../scripts/worldMap.ts"
import { isWorld, worldOf } from "../../../src/dashboard/front/atlas.ts"

test("the map is what its source says", () => {
  expect(readFileSync(WORLD, "utf8") === worldMap(), "It is out of date: run npm run build:map.").toBe(true)
})

test("a page is no map", () => {
  expect([readFileSync(WORLD, "utf8"), "", "<!doctype html>\n<title>Log in</title>\n"].map(isWorld)).toEqual([
    ...[true, false, false],
  ])
})

test("the map has every country once, under the code that events have, within its box", () => {
  const { viewBox, countries } = worldOf(readFileSync(WORLD, "utf8"))
  const [left = 0, top = 0, width = 0, height = 0] = viewBox.split(" ").map(Number)
  const codes = countries.map(({ code }) => code).filter((code) => code !== "--")
  expect(new Set(codes).size).toBe(codes.length)
  expect(codes.length).toBeGreaterThan(170)
  const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" })
  expect(codes.filter((code) => names.of(code) === undefined)).toEqual([])
  for (const { code, path } of countries) {
    let [x, y] = [0, 0]
    for (const [, move, numbers = ""] of path.matchAll(/([Ml])([\d -]+)/g)) {
      const steps = [...numbers.matchAll(/-?\d+/g)].map(Number)
      if (move === "M") [x, y] = [0, 0]
      for (let i = 0; i < steps.length; i += 2) {
        x += steps[i] ?? 0
        y += steps[i + 1] ?? 0
        expect(x >= left && x <= left + width && y >= top && y <= top + height, `${code} at ${x} ${y}`).toBe(
          true,
        )
      }
    }
  }
})
