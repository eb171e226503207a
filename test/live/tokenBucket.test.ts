import { expect, test } from "vitest"
import { TokenBucket } from "../../src/live/tokenBucket.ts"

const bucketAt = (perSecond: number) => {
  const clock = { now: 1_000_000 }
  const options = { perSecond, capacity: perSecond, stepMs: 200, now: () => clock.now }
  return { clock, bucket: new TokenBucket(options) }
}

test("a second's tokens are there at first, then as many as the steps since have brought", () => {
  const { clock, bucket } = bucketAt(50)
  expect(bucket.take(60)).toBe(50)
  clock.now += 199
  expect(bucket.take(1)).toBe(0)
  clock.now += 1
  expect(bucket.take(60)).toBe(10)
  clock.now += 450
  expect(bucket.take(60)).toBe(20)
  // The half step of before counts.
  clock.now += 150
  expect(bucket.take(60)).toBe(10)
  clock.now += 60_000
  expect(bucket.take(60)).toBe(50)
})

test("less than a token a step adds up", () => {
  const { clock, bucket } = bucketAt(2)
  expect(bucket.take(5)).toBe(2)
  const taken = Array.from({ length: 10 }, () => {
    clock.now += 200
    return bucket.take(5)
  })
  expect(taken.reduce((sum, each) => sum + each)).toBe(4)
})

test("a clock that is set back refills nothing, and goes on from there", () => {
  const { clock, bucket } = bucketAt(50)
  bucket.take(50)
  clock.now -= 3_600_000
  expect(bucket.take(1)).toBe(0)
  clock.now += 200
  expect(bucket.take(60)).toBe(10)
})

test("a clock that is set back leaves the steps' moments", () => {
  const { clock, bucket } = bucketAt(50)
  bucket.take(50)
  clock.now -= 3_600_050
  expect(bucket.take(1)).toBe(0)
  clock.now += 49
  expect(bucket.take(1)).toBe(0)
  clock.now += 1
  expect(bucket.take(60)).toBe(10)
})

test("a step that has begun before is over so much sooner", () => {
  const clock = { now: 0 }
  const bucket = new TokenBucket({
    perSecond: 50,
    capacity: 50,
    stepMs: 200,
    aheadMs: 150,
    now: () => clock.now,
  })
  bucket.take(50)
  clock.now += 49
  expect(bucket.take(1)).toBe(0)
  clock.now += 1
  expect(bucket.take(60)).toBe(10)
})
