/** What the actors have done, as metrics: every counter of theirs is raised here, after the thing has happened. */
import { letterTypeOf } from "../domain/aggregation.ts"
import { botKindOf } from "../domain/dimensions.ts"
import { spelledPage } from "../domain/pageUrl.ts"
import type { BatchEntry, Written } from "../events/write/index.ts"
import type { Metrics } from "../metrics/metrics.ts"
import type { StoreError } from "../stores/errors.ts"
import type { Poison } from "./verdict.ts"

export type Outcome =
  | {
      readonly kind: "applied"
      /** Entries of the batch. */
      readonly entries: number
      /** From read to applied. */
      readonly milliseconds: number
      readonly written: Written
      /** Visitors new to their day; `null` when a try whose reply was lost had applied the batch, and nobody knows any more. */
      readonly newVisitors: number | null
    }
  /** A store kept a batch waiting. */
  | { readonly kind: "waited"; readonly store: StoreError["store"] }
  | { readonly kind: "dead-lettered"; readonly poison: Poison }

export const count = (metrics: Metrics, outcome: Outcome): void => {
  switch (outcome.kind) {
    case "applied": {
      const { counted, duplicates, redelivered, erased } = outcome.written
      metrics.batchDuration.observe(outcome.milliseconds / 1000)
      metrics.batchSize.observe(outcome.entries)
      metrics.redeliveries.inc(redelivered)
      metrics.duplicates.inc(duplicates)
      metrics.erasedEvents.inc(erased)
      metrics.visitors.inc(outcome.newVisitors ?? 0)
      countEvents(metrics, counted)
      break
    }
    case "waited":
      metrics.batchRetries.inc({ store: outcome.store })
      break
    case "dead-lettered":
      metrics.deadLettered.inc({ reason: outcome.poison })
  }
}

const countEvents = (metrics: Metrics, entries: ReadonlyArray<BatchEntry>): void => {
  // Summed first: raising a metric takes half a microsecond, and a batch has few types and pages.
  const types = new Map<string, number>()
  const pages = new Map<string | null, number>()
  for (const { event } of entries) {
    if (event.facts.bot) {
      metrics.botEvents.inc({ kind: botKindOf(event.facts) })
      continue
    }
    types.set(event.type, (types.get(event.type) ?? 0) + 1)
    if (event.type === "page_view") pages.set(event.pageUrl, (pages.get(event.pageUrl) ?? 0) + 1)
    const letter = letterTypeOf(event)
    if (letter !== null) metrics.letters.inc({ type: letter })
  }
  for (const [type, n] of types) metrics.events.inc({ event_type: metrics.eventTypeLabel.value(type, n) }, n)
  for (const [page, n] of pages) metrics.pageViews.inc({ path: metrics.pathLabel.value(pathOf(page), n) }, n)
}

/** The path of a page for a label: without scheme, host, query and fragment, which have no bounds. */
const pathOf = (pageUrl: string | null): string => {
  if (pageUrl === null) return ""
  const start = pageUrl.startsWith("/") ? 0 : pageUrl.indexOf("/", pageUrl.indexOf("//") + 2)
  if (start < 0) return "/"
  const end = pageUrl.slice(start).search(/[?#]/)
  return spelledPage(end < 0 ? pageUrl.slice(start) : pageUrl.slice(start, start + end))
}
