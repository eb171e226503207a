import { createHash } from "node:crypto"
import { expect, test } from "vitest"
import { UUID } from "../../src/domain/limits.ts"
import { DAY_MS } from "../../src/domain/time.ts"
import { DayVisitors } from "../../src/sdk/dayVisitors.ts"
import { sha256 } from "../../src/sdk/sha256.ts"

const NOON = 20_000 * DAY_MS + DAY_MS / 2

test("an address with a browser is one visitor until midnight, and nobody else is", () => {
  const visitors = new DayVisitors()
  const first = visitors.idOf("203.0.113.7", "a browser", NOON)
  expect(first).toMatch(UUID)
  expect(visitors.idOf("203.0.113.7", "a browser", NOON + DAY_MS / 3)).toBe(first)
  const others = [
    visitors.idOf("203.0.113.8", "a browser", NOON),
    visitors.idOf("203.0.113.7", "another", NOON),
    visitors.idOf("203.0.113.7", "a browser", NOON + DAY_MS),
    // Of another process: its key is its own.
    new DayVisitors().idOf("203.0.113.7", "a browser", NOON),
  ]
  expect(new Set([first, ...others]).size).toBe(5)
})

test("the hash is SHA-256, of texts of any length", () => {
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (31 * i * length + 7) % 256)
    expect(Buffer.from(sha256(bytes)).toString("hex"), `of ${length} bytes`).toBe(
      createHash("sha256").update(bytes).digest("hex"),
    )
  }
})
