import * as fc from "fast-check"
import { expect, test } from "vitest"
import { PlaceCounts } from "../../../src/events/read/placeCounts.ts"

type Place = readonly [x: number, y: number]

/** All places with their clicks, counted by their texts. */
const plain = (clicks: ReadonlyArray<Place>) => {
  const counts = new Map<string, { x: number; y: number; count: number }>()
  for (const [x, y] of clicks) {
    const key = `${x} ${y}`
    const place = counts.get(key) ?? { x: x + 0, y: y + 0, count: 0 }
    counts.set(key, { ...place, count: place.count + 1 })
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || a.x - b.x || a.y - b.y)
}

const counted = (clicks: ReadonlyArray<Place>) => {
  const places = new PlaceCounts()
  for (const [x, y] of clicks) places.add(x, y)
  return places
}

const coordinate = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 0.5, 1e300, 5e-324),
)

test("places are counted, and the most clicked ones told in their order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(coordinate, coordinate), { maxLength: 200 }),
      fc.integer({ min: 1, max: 30 }),
      (clicks, limit) => {
        const places = counted(clicks)
        const expected = plain(clicks)
        expect(places.size).toBe(expected.length)
        expect(places.most(limit)).toEqual(expected.slice(0, limit))
      },
    ),
  )
})

test("as many places as come have room", () => {
  const clicks = Array.from({ length: 20_000 }, (_, i): Place => [(i * 7919) % 140, ((i * 31) % 127) / 4])
  const places = counted(clicks)
  const expected = plain(clicks)
  expect(expected.length).toBeGreaterThan(10_000)
  expect(places.size).toBe(expected.length)
  for (const limit of [1, 500, 10_000]) expect(places.most(limit)).toEqual(expected.slice(0, limit))
})
