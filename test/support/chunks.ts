/** What tests of chunks share: events in many small ones, and everything that the view shows. */
import { randomUUID } from "node:crypto"
import type { StreamEvent } from "../../src/domain/event.ts"
import type { Postgres } from "../../src/stores/postgres.ts"
import { event, rows, store } from "./events.ts"

/** Every stored event in full, in one order. */
export const allEvents = (postgres: Postgres) =>
  rows<{ id: string; visitor_id: string }>(
    postgres,
    "SELECT *, created_at::text AS exactly FROM analytics_events ORDER BY id",
  )

/** Chunks of a day (`20251208`). */
export const chunksOf = (postgres: Postgres, day: string) =>
  rows<{ events: number; small: boolean; first_at: Date; last_at: Date }>(
    postgres,
    `SELECT events, small, first_at, last_at FROM event_chunks_${day} ORDER BY first_at`,
  )

const KINDS: ReadonlyArray<Partial<StreamEvent>> = [
  { type: "page_view", pageUrl: '/a "quoted\\ page", {of} é', referrer: "https://a.example/" },
  { type: "button_click", data: { x: 1, y: 2.5, label: "NULL" } },
  { type: "form_submit", pageUrl: null, data: { form: "ünï", list: [1, null, "\u0001\\u0000"] } },
  { type: "letter_generate", data: { letter_type: "motivation" } },
  { type: "custom", pageUrl: "NULL", referrer: "", site: "blog" },
]

/** Events of every kind, of a few visitors, `apart` milliseconds from each other, from an instant on. */
export const mixed = (count: number, from: number, apart = 7): ReadonlyArray<StreamEvent> => {
  const visitors = Array.from({ length: 9 }, () => randomUUID())
  return Array.from({ length: count }, (_, i) =>
    event({
      id: randomUUID(),
      visitorId: visitors[(i * i) % visitors.length] ?? "",
      createdAt: from + i * apart,
      ...KINDS[i % KINDS.length],
    }),
  )
}

/** Stores events in batches of a size. */
export const storeInBatches = async (
  postgres: Postgres,
  events: ReadonlyArray<StreamEvent>,
  size: number,
  partition = 0,
): Promise<void> => {
  for (let i = 0; i < events.length; i += size)
    await store(postgres, events.slice(i, i + size), { partition })
}
