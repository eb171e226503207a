import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Calendar } from "../../src/domain/period.ts"
import { MINUTE_MS } from "../../src/domain/time.ts"
import { type VisitEvent, visitsOf } from "../../src/domain/visits.ts"

const UTC = new Calendar("UTC")
const at = (time: string) => Date.parse(`2025-12-08T${time}Z`)

let made = 0
const event = (time: string, given: Partial<VisitEvent> = {}): VisitEvent => ({
  site: "main",
  visitorId: "a",
  id: String(made++).padStart(6, "0"),
  type: "page_view",
  createdAt: at(time),
  pageUrl: "https://example.org/",
  bot: false,
  ...given,
})

/** The visits of events by their first times. */
const startsOf = (events: ReadonlyArray<VisitEvent>, calendar = UTC) =>
  visitsOf(events, calendar)
    .map(({ startedAt }) => new Date(startedAt).toISOString().slice(5, 19))
    .sort()

describe("a visit", () => {
  test("ends where a visitor does nothing for 30 minutes", () => {
    expect(startsOf(["10:00:00", "10:29:59.999", "10:59:59.998"].map((time) => event(time)))).toEqual([
      "12-08T10:00:00",
    ])
    expect(startsOf(["10:00:00", "10:30:00"].map((time) => event(time)))).toEqual([
      "12-08T10:00:00",
      "12-08T10:30:00",
    ])
  })

  test("ends at midnight of the zone", () => {
    const events = [event("22:59:59"), event("23:00:00"), event("23:20:00")]
    expect(startsOf(events)).toEqual(["12-08T22:59:59"])
    expect(startsOf(events, new Calendar("Europe/Paris"))).toEqual(["12-08T22:59:59", "12-08T23:00:00"])
  })

  test("is of one visitor and one site", () => {
    const events = [
      event("10:00:00"),
      event("10:01:00", { visitorId: "b" }),
      event("10:02:00", { site: "blog" }),
    ]
    expect(visitsOf(events, UTC)).toHaveLength(3)
  })

  test("is of events that count, or of those that are marked", () => {
    const events = [
      event("10:00:00"),
      event("10:01:00", { bot: true, type: "deed" }),
      event("10:02:00", { bot: true }),
    ]
    expect(visitsOf(events, UTC).map(({ seconds, bounce }) => [seconds, bounce])).toEqual([
      [0, true],
      [60, false],
    ])
  })

  test("tells where it began and ended, how long it took, and what was in it", () => {
    const events = [
      event("10:09:00.500", { type: "link_click", pageUrl: "/c" }),
      event("10:05:00", { pageUrl: "https://example.org/b?theme=x&utm_source=y#z" }),
      event("10:00:00", { type: "engagement", pageUrl: "/z" }),
      event("10:01:00", { pageUrl: "https://example.org/a" }),
    ]
    const [visit] = visitsOf(events, UTC)
    expect(visit).toMatchObject({
      ...{ seconds: 540.5, pageViews: 2, entryPage: "/a", exitPage: "/b?theme=x", bounce: false },
      events: [events[2], events[3], events[1], events[0]],
    })
  })

  test("without a page view has no pages, and is no bounce", () => {
    expect(visitsOf([event("10:00:00", { type: "custom" })], UTC)).toMatchObject([
      { seconds: 0, pageViews: 0, entryPage: null, exitPage: null, bounce: false },
    ])
    expect(visitsOf([event("10:00:00", { pageUrl: null })], UTC)).toMatchObject([
      { entryPage: null, bounce: true },
    ])
  })

  test.each([
    [["page_view"], true],
    [["page_view", "web_vitals", "engagement", "page_leave", "not_found"], true],
    [["page_view", "page_view"], false],
    [["page_view", "button_click"], false],
    [["engagement"], false],
  ])("of %j: whether it is a bounce", (types, bounce) => {
    const events = types.map((type, i) => event(`10:00:0${i}`, { type }))
    expect(visitsOf(events, UTC)[0]?.bounce).toBe(bounce)
  })
})

test("visits do not depend on the order in which events come, and hold each event once", () => {
  const some = fc.array(
    fc.record({
      minute: fc.integer({ min: 0, max: 3 * 24 * 60 }),
      visitorId: fc.constantFrom("a", "b"),
      site: fc.constantFrom("main", "blog"),
      type: fc.constantFrom("page_view", "custom", "engagement"),
    }),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(some, fc.infiniteStream(fc.nat()), (given, order) => {
      const events = given.map(({ minute, ...rest }) =>
        event("00:00:00", { ...rest, createdAt: at("00:00:00") + minute * MINUTE_MS }),
      )
      const calendar = new Calendar("Asia/Kolkata")
      const shuffled = events
        .map((each) => ({ each, key: order.next().value }))
        .sort((a, b) => a.key - b.key)
        .map(({ each }) => each)
      const sorted = (list: ReadonlyArray<VisitEvent>) =>
        visitsOf(list, calendar)
          .map((visit) => JSON.stringify(visit))
          .sort()
      expect(sorted(shuffled)).toEqual(sorted(events))
      const held = visitsOf(events, calendar).flatMap((visit) => visit.events.map(({ id }) => id))
      expect(held.sort()).toEqual(events.map(({ id }) => id).sort())
      for (const visit of visitsOf(events, calendar))
        expect(calendar.dayOf(visit.startedAt)).toBe(calendar.dayOf(visit.endedAt))
    }),
  )
})
