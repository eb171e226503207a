/** A batch of a partition's events, and the parts of it that Postgres stores: ids, chunks and totals. */
import * as Effect from "effect/Effect"
import { aggregate, type BatchTotals } from "../../domain/aggregation.ts"
import type { StreamEvent } from "../../domain/event.ts"
import type { Calendar } from "../../domain/period.ts"
import { eventIdOf, sequenceOf, timeOf } from "../../stream/id.ts"
import { type ChunkEvent, type ChunkValues, toChunks, toData, UnstorableEvent } from "../chunks/index.ts"
import { type TotalRow, toTotalRows } from "../totals/index.ts"
import type { Key } from "./statements.ts"

/** An event and the stream entry that carries it. */
export interface BatchEntry {
  /** `<milliseconds>-<sequence>`. */
  readonly streamId: string
  readonly event: StreamEvent
}

export interface Batch {
  readonly partition: number
  /** From `acquireEpoch` (batchWriter.ts). */
  readonly epoch: number
  /** In stream order. */
  readonly entries: ReadonlyArray<BatchEntry>
  /** Those of them whose site was not erased while they waited; all by default. */
  readonly kept?: ReadonlyArray<BatchEntry>
  /** In the deployment's time zone: the daily totals are of its days. */
  readonly calendar: Calendar
}

/** What the kept entries of a batch have come to. */
export interface Stored {
  /** The entries, new and redelivered, that count in the figures, in stream order. */
  readonly counted: ReadonlyArray<BatchEntry>
  /** What the counted entries add to the figures. */
  readonly totals: BatchTotals
  /** New entries whose id had been written before. */
  readonly duplicates: number
  /** Entries that an earlier transaction had written. */
  readonly redelivered: number
}

/** What a batch has come to. */
export interface Written extends Stored {
  /** Entries whose site was erased while they waited. */
  readonly erased: number
}

/** Sites' numbers by their slugs. */
export type SiteIds = ReadonlyMap<string, number>

const siteIdOf = (siteIds: SiteIds, site: string): number => {
  const id = siteIds.get(site)
  if (id === undefined) throw new Error(`site ${site} has no id`)
  return id
}

/** The ids that the entries bring, in stream order. */
export const keysOf = (entries: ReadonlyArray<BatchEntry>, siteIds: SiteIds): ReadonlyArray<Key> => {
  const keys: Array<Key> = []
  for (const { streamId, event } of entries)
    if (event.id !== null)
      keys.push({
        id: event.id,
        siteId: siteIdOf(siteIds, event.site),
        streamMs: timeOf(streamId),
        streamSeq: sequenceOf(streamId),
      })
  return keys
}

/** The entries as chunks. */
export const chunksOf = (
  partition: number,
  entries: ReadonlyArray<BatchEntry>,
  siteIds: SiteIds,
): Effect.Effect<ReadonlyArray<ChunkValues>, UnstorableEvent> =>
  Effect.suspend(() => {
    try {
      const chunks = [...Map.groupBy(entries, ({ event }) => event.site)].flatMap(([site, ofSite]) =>
        toChunks(
          siteIdOf(siteIds, site),
          ofSite.map((entry) => toChunkEvent(partition, entry)),
        ),
      )
      return Effect.succeed(chunks)
    } catch (cause) {
      return cause instanceof UnstorableEvent ? Effect.fail(cause) : Effect.die(cause)
    }
  })

/** Throws an {@link UnstorableEvent}. */
const toChunkEvent = (partition: number, { streamId, event }: BatchEntry): ChunkEvent => ({
  id: event.id ?? eventIdOf(partition, streamId),
  visitorId: event.visitorId,
  type: event.type,
  createdAt: event.createdAt,
  pageUrl: event.pageUrl,
  referrer: event.referrer,
  data: event.data === null ? null : toData(event.data),
  facts: event.facts,
})

/** What the entries add to the figures. */
export const totalsOf = (entries: ReadonlyArray<BatchEntry>, calendar: Calendar): BatchTotals =>
  aggregate(
    entries.map(({ event }) => event),
    calendar,
  )

/** What they add as rows of daily_totals. */
export const totalRowsOf = (totals: BatchTotals, siteIds: SiteIds): ReadonlyArray<TotalRow> =>
  [...totals.days.values()].flatMap((day) => toTotalRows(siteIdOf(siteIds, day.site), day))
