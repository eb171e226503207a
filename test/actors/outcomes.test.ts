import { expect, test } from "vitest"
import { count } from "../../src/actors/outcomes.ts"
import { NO_FACTS } from "../../src/domain/dimensions.ts"
import type { StreamEvent } from "../../src/domain/event.ts"
import type { BatchEntry } from "../../src/events/write/index.ts"
import { Metrics } from "../../src/metrics/metrics.ts"

const entry = (event: Partial<StreamEvent>): BatchEntry => ({
  streamId: "1-0",
  event: {
    ...{ site: "main", id: null, visitorId: crypto.randomUUID(), type: "page_view", createdAt: 0 },
    ...{ pageUrl: null, referrer: null, data: null, facts: NO_FACTS },
    ...event,
  },
})

test("a batch raises each counter by what it brought, and a page view counts by its path", async () => {
  const metrics = new Metrics("test_")
  const counted = [
    entry({ pageUrl: "https://example.org/cv?theme=dark#top" }),
    entry({ pageUrl: "https://other.example/cv" }),
    entry({ pageUrl: "/x/../%63v" }),
    entry({ pageUrl: "https://example.org" }),
    entry({ pageUrl: null }),
    entry({ type: "letter_generate", data: { letter_type: "motivation" } }),
  ]
  const written = {
    counted,
    totals: { days: new Map(), lastSeen: new Map() },
    duplicates: 2,
    redelivered: 3,
    erased: 4,
  }
  count(metrics, { kind: "applied", entries: 8, milliseconds: 20, written, newVisitors: 4 })
  const text = await metrics.registry.metrics()
  for (const line of [
    'test_events_total{event_type="page_view"} 5',
    'test_events_total{event_type="letter_generate"} 1',
    'test_page_views_total{path="/cv"} 3',
    'test_page_views_total{path="/"} 1',
    'test_page_views_total{path=""} 1',
    'test_letters_generated_total{type="motivation"} 1',
    "test_visitors_total 4",
    "test_duplicates_total 2",
    "test_redeliveries_total 3",
    "test_batch_size_sum 8",
    "test_batch_duration_seconds_sum 0.02",
  ])
    expect(text.split("\n")).toContain(line)
})

test("a batch that a lost reply had applied brings no visitors, since nobody knows how many were new", async () => {
  const metrics = new Metrics("test_")
  const written = {
    counted: [entry({})],
    totals: { days: new Map(), lastSeen: new Map() },
    duplicates: 0,
    redelivered: 1,
    erased: 0,
  }
  count(metrics, { kind: "applied", entries: 1, milliseconds: 1, written, newVisitors: null })
  const text = await metrics.registry.metrics()
  expect(text).toContain("test_visitors_total 0\n")
  expect(text).toContain('test_events_total{event_type="page_view"} 1\n')
})
