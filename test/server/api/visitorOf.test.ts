/** Whose events those without an id are, around midnight. */
import { expect, test } from "vitest"
import { decodeEvent, Rejection } from "../../../src/domain/event.ts"
import { PageQuery } from "../../../src/domain/pageQuery.ts"
import { DAY_MS } from "../../../src/domain/time.ts"
import { Visitors } from "../../../src/server/api/visitorOf.ts"

const MIDNIGHT = Date.parse("2026-01-10T00:00:00Z")
const HINTS = { header: "", cookie: "", userAgent: "a browser", address: () => "203.0.113.7" }

const at = (timestamp: number, now: number) => {
  const context = { now, sites: new Set(["main"]), site: "main", referer: null, pageQuery: new PageQuery([]) }
  const event = decodeEvent({ event_type: "page_view", timestamp }, context)
  if (event instanceof Rejection) throw new Error(event.error)
  return event
}

test("an event from before midnight is of the visitor of its day, as long as that day's key is there", () => {
  const keys = new Map([
    [-1, Buffer.alloc(32, 1)],
    [0, Buffer.alloc(32, 2)],
  ])
  const current = (time: number) => keys.get(Math.floor((time - MIDNIGHT) / DAY_MS)) ?? null
  const visitors = new Visitors({ current }, false)
  const of = (timestamp: number, now: number) => visitors.of(at(timestamp, now), HINTS, now)
  const yesterday = of(MIDNIGHT - 10_000, MIDNIGHT - 10_000)
  const today = of(MIDNIGHT + 10_000, MIDNIGHT + 10_000)
  expect(today).not.toBe(yesterday)
  expect(of(MIDNIGHT - 10_000, MIDNIGHT + 10_000)).toBe(yesterday)
  expect(of(MIDNIGHT + 10_000, MIDNIGHT + 20_000)).toBe(today)
  keys.delete(-1)
  expect(of(MIDNIGHT - 10_000, MIDNIGHT + 3_600_000)).toBe(today)
})
