import { createHmac, randomUUID } from "node:crypto"
import { expect, test } from "vitest"
import { UUID } from "../../src/domain/limits.ts"
import { deriveVisitorId, fingerprint, partitionOf } from "../../src/domain/visitor.ts"

const KEY = Buffer.alloc(32, 7)

test("a cookieless id is a UUID made of the keyed hash of address and user agent", () => {
  const id = deriveVisitorId(KEY, "192.0.2.1", "Firefox")
  const hash = createHmac("sha256", KEY).update("192.0.2.1\nFirefox").digest("hex")
  expect(id).toMatch(UUID)
  expect(id[14]).toBe("8")
  expect("89ab").toContain(id[19])
  expect(id.replaceAll("-", "").slice(0, 12)).toBe(hash.slice(0, 12))
})

test("a cookieless id is the same for the day, and another for another key, address or agent", () => {
  const id = deriveVisitorId(KEY, "192.0.2.1", "Firefox")
  expect(deriveVisitorId(KEY, "192.0.2.1", "Firefox")).toBe(id)
  expect(deriveVisitorId(Buffer.alloc(32, 8), "192.0.2.1", "Firefox")).not.toBe(id)
  expect(deriveVisitorId(KEY, "192.0.2.2", "Firefox")).not.toBe(id)
  expect(deriveVisitorId(KEY, "192.0.2.1", "Chrome")).not.toBe(id)
})

test("visitors spread evenly over the partitions", () => {
  const counts = [0, 0, 0, 0]
  for (let i = 0; i < 40_000; i++) {
    const partition = partitionOf(randomUUID(), 4)
    counts[partition] = (counts[partition] ?? 0) + 1
  }
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(600)
})

test("the partition of a visitor does not change from version to version", () => {
  // A change would give a visitor's unique count to two partitions.
  expect(partitionOf("0b8a4c1e-8d0a-4a4f-9a53-2f8f3a3b1c22", 1024)).toBe(0)
  expect(fingerprint("0b8a4c1e-8d0a-4a4f-9a53-2f8f3a3b1c22")).toBe(2_662_836_775_563_445)
})

test("fingerprints are 53-bit integers that differ", () => {
  const seen = new Set<number>()
  for (let i = 0; i < 200_000; i++) seen.add(fingerprint(randomUUID()))
  expect(seen.size).toBe(200_000)
  for (const value of seen) if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${value}`)
})

test("fingerprints of ids that count up differ, too", () => {
  const seen = new Set<number>()
  for (let i = 0; i < 100_000; i++) {
    seen.add(fingerprint(`00000000-0000-4000-8000-${i.toString(16).padStart(12, "0")}`))
  }
  expect(seen.size).toBe(100_000)
})
