import * as Effect from "effect/Effect"
import { AggregatorRegistry } from "prom-client"
import { expect, test } from "vitest"
import { Metrics } from "../../../src/metrics/metrics.ts"
import type { MetricsJson } from "../../../src/runtime/thread/messages.ts"
import { ThreadMetrics } from "../../../src/runtime/thread/metrics.ts"

/** A thread that has counted N events and owns 4 partitions. */
const threadWith = async (events: number): Promise<MetricsJson> => {
  const metrics = new Metrics("test_")
  metrics.events.inc({ event_type: "page_view" }, events)
  metrics.batchSize.observe(events)
  metrics.partitionsOwned.set(4)
  return await metrics.registry.getMetricsAsJSON()
}

/** A scrape's text. */
const scraped = async (json: MetricsJson): Promise<string> =>
  await AggregatorRegistry.aggregate([[...json]]).metrics()

test("a scrape that the thread misses shows what it reported last, for an earlier scrape, too late or unasked", async () => {
  const threads = new ThreadMetrics()
  const first = await threadWith(3)
  const prompt = await Effect.runPromise(threads.read((request) => threads.reported(request, first)))
  expect(await scraped(prompt)).toContain('test_events_total{event_type="page_view"} 3')

  let missed = -1
  const silent = (request: number) => {
    missed = request
  }
  const without = await Effect.runPromise(threads.read(silent))
  expect(await scraped(without)).toBe(await scraped(prompt))
  threads.reported(missed, await threadWith(5))
  expect(await scraped(await Effect.runPromise(threads.read(silent)))).toContain(
    'test_events_total{event_type="page_view"} 5',
  )
  threads.reported(null, await threadWith(7))
  expect(await scraped(await Effect.runPromise(threads.read(silent)))).toContain(
    'test_events_total{event_type="page_view"} 7',
  )
})

test("counters go on where an ended thread left them, and gauges are the running one's", async () => {
  const threads = new ThreadMetrics()
  for (let thread = 0; thread < 3; thread++) {
    const json = await threadWith(3)
    await Effect.runPromise(threads.read((request) => threads.reported(request, json)))
    await threads.threadEnded()
  }
  const between = await scraped(await Effect.runPromise(threads.read(null)))
  expect(between).toContain('test_events_total{event_type="page_view"} 9')
  expect(between).not.toContain("test_partitions_owned 4")
  const json = await threadWith(1)
  const after = await scraped(
    await Effect.runPromise(threads.read((request) => threads.reported(request, json))),
  )
  expect(after).toContain('test_events_total{event_type="page_view"} 10')
  expect(after).toContain("test_batch_size_count 4")
  expect(after).toContain("test_partitions_owned 4")
})
