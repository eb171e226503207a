import { hash } from "node:crypto"
import { expect, test } from "vitest"
import { Calendar } from "../../../src/domain/period.ts"
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts"
import { daysOfKeys } from "../../../src/privacy/dayKeys.ts"
import { HeatmapTickets } from "../../../src/server/services/heatmapTickets.ts"

const CONTENTS = {
  page_url: "https://cv.example/é",
  query: { sites: ["main"] },
  by: { id: 3, kind: "key", name: null },
} as const

const calendar = new Calendar("UTC")

/** Tickets of a clock that is set, under a key a day, which is there for as long as a node keeps it. */
const ticketsAt = (start: number) => {
  const clock = { now: start }
  const current = (at: number) => {
    const day = calendar.dayOf(at)
    return daysOfKeys(calendar, clock.now).has(day) ? hash("sha256", day, "buffer") : null
  }
  return { clock, tickets: new HeatmapTickets({ current }, () => clock.now) }
}

test("a ticket is good for an hour, past midnight too", () => {
  for (const minutes of [1, 30, 59, 60, 61]) {
    const { clock, tickets } = ticketsAt(10 * DAY_MS - minutes * MINUTE_MS)
    const made = tickets.make(CONTENTS)
    expect(made?.until).toBe(clock.now + HOUR_MS)
    expect(tickets.read(made?.ticket ?? "")).toEqual(CONTENTS)
    clock.now += HOUR_MS - 1
    expect(tickets.read(made?.ticket ?? ""), `${minutes}`).toEqual(CONTENTS)
    clock.now += 1
    expect(tickets.read(made?.ticket ?? "")).toBeNull()
  }
})

test("nothing else is a ticket", () => {
  const { clock, tickets } = ticketsAt(10 * DAY_MS)
  const ticket = tickets.make(CONTENTS)?.ticket ?? ""
  const [text = "", until = "", signed = ""] = ticket.slice("mah_".length).split(".")
  const other = Buffer.from(JSON.stringify({ ...CONTENTS, page_url: "/" })).toString("base64url")
  for (const wrong of [
    "",
    "mah_",
    text,
    `mah_${text}`,
    `mah_${other}.${until}.${signed}`,
    `mah_${text}.${Number(until) + 1}.${signed}`,
    `mah_${text}.${until}.${"A".repeat(43)}`,
    ticket.replace("mah_", "mau_"),
  ])
    expect(tickets.read(wrong), wrong).toBeNull()
  const elsewhere = new HeatmapTickets({ current: () => Buffer.alloc(32) }, () => clock.now)
  expect(elsewhere.read(ticket)).toBeNull()
  const without = new HeatmapTickets({ current: () => null }, () => clock.now)
  expect([without.make(CONTENTS), without.read(ticket)]).toEqual([null, null])
})
