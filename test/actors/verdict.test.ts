/** What happens to entries that were not processed: each case is named by the rule that wins. */
import * as Cause from "effect/Cause"
import { describe, expect, test } from "vitest"
import { isFatal, MAX_ATTEMPTS, verdictOn } from "../../src/actors/verdict.ts"
import { UnstorableEvent } from "../../src/events/chunks/chunk.ts"
import { Fenced } from "../../src/stores/errors.ts"
import { postgresError } from "../../src/stores/postgresError.ts"
import { redisError } from "../../src/stores/redisError.ts"

const fenced = Cause.fail(new Fenced({ partition: 0, message: "a later epoch" }))
const redis = (message: string) => Cause.fail(redisError("apply", new Error(message)))
const postgres = (code: string) =>
  Cause.fail(postgresError("write_batch", Object.assign(new Error("refused"), { code })))

const unstorable = new UnstorableEvent({ message: "event_data has a NUL character" })
const withinCall = postgresError("write_batch", new TypeError("no such field"))

/** What nobody foresaw: our own code stumbled. */
const defect = Cause.die(new TypeError("no such field"))

const LAST = { entries: 1, attempts: MAX_ATTEMPTS }

describe("of a failed commit, the rule that wins is", () => {
  test.each([
    ["stopped", "an interruption", Cause.interrupt(), "stopped"],
    ["stopped, before fenced", "both", Cause.combine(fenced, Cause.interrupt()), "stopped"],
    ["fenced", "a later epoch", fenced, "fenced"],
    ["store", "a connection that was lost", postgres("ECONNRESET"), "wait"],
    ["store", "a Postgres that shuts down", postgres("57P01"), "wait"],
    ["store", "a disk that is full", postgres("53100"), "wait"],
    ["store", "a grant that is missing", postgres("42501"), "wait"],
    ["store", "a table that is missing", postgres("42P01"), "wait"],
    ["store", "a day whose table was dropped since", postgres("23514"), "wait"],
    ["store", "a Redis that loads its data", redis("LOADING Redis is loading the dataset"), "wait"],
    ["store", "a Redis that refuses", redis("WRONGTYPE Operation against a key"), "wait"],
    ["rejected", "a value that Postgres cannot take", postgres("22003"), "dead-letter"],
    ["rejected", "a constraint", postgres("23505"), "dead-letter"],
    ["rejected", "a limit", postgres("54000"), "dead-letter"],
    ["rejected", "an event that no table can hold", Cause.fail(unstorable), "dead-letter"],
    ["rejected", "a mistake of ours", defect, "dead-letter"],
    ["rejected", "a mistake of ours within a call", Cause.fail(withinCall), "dead-letter"],
  ] as const)("%s: %s, at the last attempt at one entry", (_rule, _case, cause, kind) => {
    expect(verdictOn(cause, LAST)).toMatchObject({ kind })
  })

  const invalid = postgres("22003")

  test.each([
    ["several", { entries: 2, attempts: 1 }, "halve"],
    ["several, before rejected", { entries: 2, attempts: MAX_ATTEMPTS }, "halve"],
    ["attempts", { entries: 1, attempts: 1 }, "retry"],
    ["attempts, for the last time", { entries: 1, attempts: MAX_ATTEMPTS - 1 }, "retry"],
    ["rejected", { entries: 1, attempts: MAX_ATTEMPTS }, "dead-letter"],
  ] as const)("%s: an event is to blame, %o", (_rule, tried, kind) => {
    expect(verdictOn(invalid, tried)).toMatchObject({ kind })
  })

  test.each([
    ["stopped", Cause.interrupt(), "stopped"],
    ["fenced", fenced, "fenced"],
    ["store", postgres("57P01"), "wait"],
  ] as const)("%s, before several", (_rule, cause, kind) => {
    expect(verdictOn(cause, { entries: 1000, attempts: 1 })).toMatchObject({ kind })
  })
})

test("a wait says which store is waited for, and a dead letter why it is one", () => {
  expect(verdictOn(postgres("53100"), LAST)).toMatchObject({
    error: { _tag: "StoreError", store: "postgres", code: "53100" },
  })
  expect(verdictOn(postgres("22003"), LAST)).toMatchObject({ reason: "22003: Postgres: refused" })
  expect(verdictOn(Cause.fail(unstorable), LAST)).toMatchObject({
    reason: "UnstorableEvent: event_data has a NUL character",
  })
  expect(verdictOn(defect, LAST)).toMatchObject({ reason: "TypeError: no such field" })
})

describe("of entries that are about to be tried separately", () => {
  test.each([
    ["one whose owners have ended is fatal", 1, MAX_ATTEMPTS, false, true],
    ["one that Postgres has is tried however many owners have ended", 1, 10 * MAX_ATTEMPTS, true, false],
    ["one is tried once more before that", 1, MAX_ATTEMPTS - 1, false, false],
    ["several are never fatal: nobody knows which of them it is", 2, MAX_ATTEMPTS, false, false],
  ] as const)("%s", (_rule, entries, endedOwners, stored, fatal) => {
    expect(isFatal({ entries, endedOwners, stored })).toBe(fatal)
  })
})
