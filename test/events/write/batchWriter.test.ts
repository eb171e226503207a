import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { makeBatchWriter } from "../../../src/events/write/batchWriter.ts"
import { eventIdOf } from "../../../src/stream/id.ts"
import { run } from "../../support/effects.ts"
import {
  connect,
  countOf,
  dailyTotals,
  entriesFrom,
  event,
  freshEvents,
  idsOf,
  rows,
  SITES,
  store,
  write,
} from "../../support/events.ts"

describe("an event", () => {
  test("is stored whole, with an id that its stream entry decides", async () => {
    const { postgres, writer } = await freshEvents()
    const { epoch } = await run(writer.acquireEpoch(1))
    const [entry] = entriesFrom(1765195200000, [
      event({
        type: "letter_generate",
        createdAt: Date.parse("2025-12-08T23:59:59.999Z"),
        pageUrl: "/letters?q=é",
        referrer: "https://example.com/",
        data: { letter_type: "motivation", nested: { list: [1, null, "'\"\\"] } },
      }),
    ])
    if (entry === undefined) throw new Error("no entry")
    await run(write(writer, epoch, [entry], { partition: 1 }))

    const [row] = await rows(
      postgres,
      "SELECT e.*, slug FROM analytics_events AS e JOIN sites ON sites.id = site_id",
    )
    expect(row).toMatchObject({
      id: eventIdOf(1, "1765195200000-0"),
      visitor_id: entry.event.visitorId,
      created_at: new Date("2025-12-08T23:59:59.999Z"),
      slug: "main",
      event_type: "letter_generate",
      page_url: "/letters?q=é",
      referrer: "https://example.com/",
      event_data: entry.event.data,
    })
  })

  test("without optional fields has NULLs, not JSON's null", async () => {
    const { postgres, writer } = await freshEvents()
    const { epoch } = await run(writer.acquireEpoch(0))
    await run(write(writer, epoch, entriesFrom(1, [event({ pageUrl: null })])))
    expect(
      await countOf(
        postgres,
        "analytics_events WHERE page_url IS NULL AND referrer IS NULL AND event_data IS NULL",
      ),
    ).toBe(1)
  })

  test("retried with the same id counts once, in one batch or in a later one", async () => {
    const { postgres, writer } = await freshEvents()
    const { epoch } = await run(writer.acquireEpoch(0))
    const id = randomUUID()
    const first = await run(
      write(writer, epoch, entriesFrom(10, [event({ id }), event(), event({ id }), event({ id })])),
    )
    expect(idsOf(first.counted)).toEqual(["10-0", "11-0"])
    expect(first.duplicates).toBe(2)

    const second = await run(write(writer, epoch, entriesFrom(20, [event({ id }), event()])))
    expect(idsOf(second.counted)).toEqual(["21-0"])
    expect(second.duplicates).toBe(1)
    expect(await countOf(postgres, "analytics_events")).toBe(3)
    expect(await dailyTotals(postgres)).toEqual([
      "main 2025-12-08 events: 3",
      "main 2025-12-08 page_views: 3",
    ])
  })

  test("with the same id on another site is another event", async () => {
    const { postgres, writer } = await freshEvents()
    const { epoch } = await run(writer.acquireEpoch(0))
    const id = randomUUID()
    const written = await run(
      write(writer, epoch, entriesFrom(10, [event({ id }), event({ id, site: "blog" })])),
    )
    expect(written.duplicates).toBe(0)
    expect(await countOf(postgres, `analytics_events WHERE id = '${id}'`)).toBe(2)
  })

  test("of a site that is no longer declared is stored under it", async () => {
    const { postgres, writer } = await freshEvents()
    const { epoch } = await run(writer.acquireEpoch(0))
    await run(write(writer, epoch, entriesFrom(1, [event({ site: "gone" }), event({ site: "gone" })])))
    expect(await dailyTotals(postgres)).toEqual([
      "gone 2025-12-08 events: 2",
      "gone 2025-12-08 page_views: 2",
    ])
  })

  test.each(["\u0000", "\ud800", "a\\\u0000"])(
    "whose data jsonb cannot hold is refused for good: %j",
    async (text) => {
      const { postgres, writer } = await freshEvents()
      const { epoch } = await run(writer.acquireEpoch(0))
      const refused = entriesFrom(1, [event(), event({ data: { list: [text] } })])
      expect(await run(Effect.flip(write(writer, epoch, refused)))).toMatchObject({
        _tag: "UnstorableEvent",
      })
      const taken = entriesFrom(1, [event({ data: { list: ["\\u0000", "\\\\ud800", "\u{1f600}"] } })])
      await run(write(writer, epoch, taken))
      expect(await rows(postgres, "SELECT event_data FROM analytics_events")).toEqual([
        { event_data: taken[0]?.event.data },
      ])
    },
  )

  test("whose time no calendar holds is refused for good, and its batch changes nothing", async () => {
    const { postgres, writer } = await freshEvents()
    const { epoch } = await run(writer.acquireEpoch(0))
    const error = await run(
      Effect.flip(write(writer, epoch, entriesFrom(1, [event(), event({ createdAt: 2 ** 52 })]))),
    )
    expect(error).toMatchObject({ _tag: "UnstorableEvent" })
    expect(await countOf(postgres, "analytics_events")).toBe(0)
  })
})

describe("partitions whose batches share ids", () => {
  test("write each id once, without deadlock, while they run at the same time", async () => {
    const { url, postgres, writer } = await freshEvents()
    const writers = [writer, makeBatchWriter(await connect(url), SITES)]
    const ids = Array.from({ length: 200 }, () => randomUUID())
    const writtenBy = await Promise.all(
      writers.map(async (each, partition) => {
        const { epoch } = await run(each.acquireEpoch(partition))
        const counted: Array<string | null> = []
        for (let batch = 0; batch < 10; batch++) {
          const order = batch % 2 === partition ? ids : ids.toReversed()
          const events = order.slice(batch * 10).map((id) => event({ id }))
          const written = await run(write(each, epoch, entriesFrom(1 + batch * 1000, events), { partition }))
          counted.push(...written.counted.map((entry) => entry.event.id))
        }
        return counted
      }),
    )
    expect(writtenBy.flat().sort()).toEqual(ids.toSorted())
    expect(await countOf(postgres, "analytics_events")).toBe(ids.length)
  })
})

describe("a day whose table was dropped since", () => {
  test("is made again by the next batch", async () => {
    const { postgres, writer } = await freshEvents()
    const { epoch } = await run(writer.acquireEpoch(0))
    await run(write(writer, epoch, entriesFrom(1, [event()])))
    await rows(postgres, "DROP TABLE event_chunks_20251208")
    const entries = entriesFrom(10, [event()])
    expect((await run(write(writer, epoch, entries))).counted).toHaveLength(1)
    expect(await countOf(postgres, "event_chunks_20251208")).toBe(1)
  })
})

describe("daily totals", () => {
  test("add up what the figures show, by site and day", async () => {
    const { postgres, writer } = await freshEvents()
    const { epoch } = await run(writer.acquireEpoch(0))
    const letter = (letter_type: string) => event({ type: "letter_generate", data: { letter_type } })
    const theme = (name: string) => event({ type: "cv_theme_change", data: { theme: name } })
    for (const start of [10, 20])
      await run(
        write(
          writer,
          epoch,
          entriesFrom(start, [
            letter("motivation"),
            letter("anti_motivation"),
            letter("poem"),
            theme("dark"),
            theme("dark"),
            theme("light"),
            event({ site: "blog", createdAt: Date.parse("2025-12-09T00:00:00Z") }),
          ]),
        ),
      )
    expect(await dailyTotals(postgres)).toEqual([
      "blog 2025-12-09 events: 2",
      "blog 2025-12-09 page_views: 2",
      "main 2025-12-08 events: 12",
      "main 2025-12-08 letters: 6",
      "main 2025-12-08 letters_anti_motivation: 2",
      "main 2025-12-08 letters_motivation: 2",
      "main 2025-12-08 theme dark: 4",
      "main 2025-12-08 theme light: 2",
    ])
  })

  test("keep up to 10,000 themes of a partition, site and day by name, and sum further ones", async () => {
    const { postgres } = await freshEvents()
    const views = (from: number, count: number) =>
      store(
        postgres,
        Array.from({ length: count }, (_, i) =>
          event({ type: "cv_theme_change", data: { theme: `t${from + i}` } }),
        ),
      )
    for (let from = 0; from < 10_000; from += 1000) await views(from, 1000)
    await views(9_998, 5)
    await views(20_000, 1)
    const of = async (name: string) => {
      const found = await rows<{ count: string }>(
        postgres,
        "SELECT count FROM daily_totals WHERE metric = 'theme' AND name = $1",
        [name],
      )
      return Number(found[0]?.count ?? 0)
    }
    expect([await of("t9999"), await of("t10000"), await of("(other)")]).toEqual([2, 0, 4])
    expect(await countOf(postgres, "daily_totals WHERE metric = 'theme'")).toBe(10_001)
  })
})
