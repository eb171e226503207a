import { describe, expect, test } from "vitest"
import { KNOWN_TYPES } from "../../src/domain/event.ts"
import { BoundedLabel, MAX_LABEL_VALUES } from "../../src/metrics/boundedLabel.ts"
import { Metrics } from "../../src/metrics/metrics.ts"

test("custom events of visitors take no label from the known types, and are bounded", () => {
  const { eventTypeLabel } = new Metrics("test_")
  const labels = new Set(Array.from({ length: 1000 }, (_, i) => eventTypeLabel.value(`custom_${i}`)))
  expect(labels).toContain("other")
  expect(labels.size).toBeLessThanOrEqual(MAX_LABEL_VALUES + 1)
  for (const type of KNOWN_TYPES) expect(eventTypeLabel.value(type)).toBe(type)
})

describe("paths that somebody makes up", () => {
  const madeUp = (label: BoundedLabel, from: number, many: number) => {
    for (let i = from; i < from + many; i++) label.value(`/made-up/${i}`)
  }

  test("keep no page out, though they have come first", () => {
    const label = new BoundedLabel()
    madeUp(label, 0, 220)
    const seen = Array.from({ length: 4 }, () => label.value("/pricing"))
    expect(seen).toEqual(["other", "other", "/pricing", "/pricing"])
  })

  test("take no page's series, however many there are", () => {
    const evicted: Array<string> = []
    const label = new BoundedLabel({ onEvicted: (path) => evicted.push(path) })
    const pages = Array.from({ length: 150 }, (_, i) => `/page/${i}`)
    for (const page of pages) label.value(page, 3)
    for (let i = 0; i < 20; i++) {
      madeUp(label, i * 5000, 5000)
      for (const page of pages) expect(label.value(page, 3)).toBe(page)
    }
    expect(evicted.filter((path) => path.startsWith("/page/"))).toEqual([])
  })

  test("make room again for pages that are seen, when those who made them up have gone", () => {
    const label = new BoundedLabel()
    for (let i = 0; i < 200; i++) label.value(`/made-up/${i}`, 50)
    let views = 0
    while (label.value("/pricing") === "other") views++
    expect(views).toBe(100)
    // Later ones need less and less, for what is not seen any more is halved from time to time.
    label.value("/", 60_000)
    views = 0
    while (label.value("/contact") === "other") views++
    expect(views).toBeLessThan(30)
  })

  test("grow nothing: each series that comes takes another's place", async () => {
    const metrics = new Metrics("test_")
    for (let round = 0; round < 10; round++)
      for (let i = 0; i < 300; i++) {
        const path = metrics.pathLabel.value(`/made-up/${round}/${i}`, round + 1)
        metrics.pageViews.inc({ path }, round + 1)
      }
    const { values } = await metrics.pageViews.get()
    expect(values.length).toBeLessThanOrEqual(MAX_LABEL_VALUES + 1)
    expect(values.length).toBeGreaterThan(100)
  })
})
