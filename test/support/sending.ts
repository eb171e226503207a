/** Senders that keep at it while a test does something to the stores. */
import { randomUUID } from "node:crypto"
import { expect } from "vitest"
import type { Deployment } from "./deployment.ts"
import { run } from "./effects.ts"
import { eventually } from "./eventually.ts"

const SENDERS = 8

export interface Sending {
  /** Resolves once events have become durable since the call. */
  readonly goesOn: () => Promise<void>
  /** Resolves to how many have become durable altogether. */
  readonly stop: () => Promise<number>
}

/** Sends page views, each of a visitor of its own, and each with the same id until it is durable. */
export const sending = ({ send }: Pick<Deployment, "send">): Sending => {
  let stopped = false
  let sent = 0
  const senders = Array.from({ length: SENDERS }, async () => {
    while (!stopped) {
      const body = { event_type: "page_view", visitor_id: randomUUID(), id: randomUUID() }
      await eventually(async () => expect(await send(body)).toBeNull())
      sent++
    }
  })
  return {
    goesOn: async () => {
      const before = sent
      await eventually(() => expect(sent).toBeGreaterThan(before + 200))
    },
    stop: async () => {
      stopped = true
      await Promise.all(senders)
      return sent
    },
  }
}

/** Waits until nothing waits, and expects that every event has been counted once: in rows, in figures, and its visitor. */
export const expectCounted = async (deployment: Deployment, events: number): Promise<void> => {
  await deployment.drained()
  const stats = await run(deployment.figures.stats("main", "day"))
  expect({
    rows: await deployment.rowCount(),
    events: stats.total_events,
    visitors: stats.unique_visitors,
  }).toEqual({ rows: events, events, visitors: events })
}
