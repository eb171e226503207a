import { expect, test } from "vitest"
import { KNOWN_TYPES } from "../../src/domain/event.ts"
import { MAX_LABEL_VALUES, Metrics } from "../../src/metrics/metrics.ts"

test("custom events of visitors take no label from the known types, and are bounded", () => {
  const { eventTypeLabel } = new Metrics("test_")
  const labels = new Set(Array.from({ length: 1000 }, (_, i) => eventTypeLabel.value(`custom_${i}`)))
  expect(labels).toContain("other")
  expect(labels.size).toBeLessThanOrEqual(MAX_LABEL_VALUES + 1)
  for (const type of KNOWN_TYPES) expect(eventTypeLabel.value(type)).toBe(type)
})
