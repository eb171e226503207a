import { expect, test } from "vitest"
import { DAY_MS, HOUR_MS } from "../../../src/domain/time.ts"
import { HeatmapTickets } from "../../../src/server/services/heatmapTickets.ts"

const CONTENTS = {
  page_url: "https://cv.example/é",
  query: { sites: ["main"] },
  by: { id: 3, kind: "key", name: null },
} as const

/** Tickets of a clock that is set, under a key a day. */
const ticketsAt = (start: number) => {
  const clock = { now: start }
  const keyOf = (at: number) => Buffer.alloc(32, Math.floor(at / DAY_MS) % 256)
  return { clock, keyOf, tickets: new HeatmapTickets({ current: keyOf }, () => clock.now) }
}

test("a ticket is good for an hour, past midnight too where the day's key still is there", () => {
  const { clock, tickets } = ticketsAt(10 * DAY_MS - HOUR_MS / 2)
  const made = tickets.make(CONTENTS)
  expect(tickets.read(made?.ticket ?? "")).toMatchObject(CONTENTS)
  clock.now += HOUR_MS - 1
  expect(tickets.read(made?.ticket ?? "")).toMatchObject(CONTENTS)
  clock.now += 1
  expect(tickets.read(made?.ticket ?? "")).toBeNull()
})

test("nothing else is a ticket", () => {
  const { clock, keyOf, tickets } = ticketsAt(10 * DAY_MS)
  const ticket = tickets.make(CONTENTS)?.ticket ?? ""
  const [text = "", signed = ""] = ticket.slice("mah_".length).split(".")
  const other = Buffer.from(
    JSON.stringify({ ...CONTENTS, by: { id: null, name: null }, until: 11 * DAY_MS }),
  ).toString("base64url")
  for (const wrong of [
    "",
    "mah_",
    text,
    `mah_${text}`,
    `mah_${other}.${signed}`,
    `mah_${text}.${"A".repeat(43)}`,
  ])
    expect(tickets.read(wrong), wrong).toBeNull()
  const elsewhere = new HeatmapTickets({ current: (at) => keyOf(at + 2 * DAY_MS) }, () => clock.now)
  expect(elsewhere.read(ticket)).toBeNull()
  const without = new HeatmapTickets({ current: () => null }, () => clock.now)
  expect([without.make(CONTENTS), without.read(ticket)]).toEqual([null, null])
})
