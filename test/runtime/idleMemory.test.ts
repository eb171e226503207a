import { expect, test } from "vitest"
import { IdleWatch } from "../../src/runtime/idleMemory.ts"

const MEGABYTE = 1024 * 1024

test("a thread that works keeps its memory, however much it is", () => {
  const watch = new IdleWatch()
  for (let look = 0; look < 100; look++) expect(watch.look(0.1, 500 * MEGABYTE)).toBe(false)
})

test("a thread that has idled for two looks returns what a burst took, once", () => {
  const watch = new IdleWatch()
  expect(watch.look(0.9, 200 * MEGABYTE)).toBe(false)
  expect(watch.look(0, 200 * MEGABYTE)).toBe(false)
  expect(watch.look(0, 200 * MEGABYTE)).toBe(true)
  watch.collected(15 * MEGABYTE)
  for (let look = 0; look < 100; look++) expect(watch.look(0, 20 * MEGABYTE)).toBe(false)
  expect(watch.look(0, 23 * MEGABYTE)).toBe(true)
})
