import { describe, expect, test } from "vitest"
import {
  APPEND_TIMEOUT_MS,
  LONGEST_STOP_MS,
  STOP_BUDGET,
  STOP_DEADLINE_MS,
  STOP_PROMISE_MS,
} from "../../src/config/stopBudget.ts"
import { read } from "../support/documents.ts"

const seconds = (path: string, pattern: RegExp): number => Number(pattern.exec(read(path))?.[1])

describe("a stop", () => {
  test("in which every part takes its time is not cut short, and one that is ends within the promise", () => {
    expect(LONGEST_STOP_MS).toBeLessThan(STOP_DEADLINE_MS)
    expect(STOP_DEADLINE_MS).toBeLessThan(STOP_PROMISE_MS)
  })

  test("waits for an append longer than the append can take", () => {
    expect(STOP_BUDGET.answers).toBeGreaterThan(APPEND_TIMEOUT_MS)
  })

  test("is promised to operators as it is kept", () => {
    expect(seconds("docs/operations.md", /exits\s+within\s+(\d+)\s+seconds/) * 1000).toBe(STOP_PROMISE_MS)
  })

  test.each([
    ["infra/systemd/maicivy-analytics.service", /^TimeoutStopSec=(\d+)$/m],
    ["infra/docker-compose.yml", /stop_grace_period: (\d+)s$/m],
    ["infra/kubernetes/actors.yaml", /terminationGracePeriodSeconds: (\d+)$/m],
    ["infra/kubernetes/http.yaml", /terminationGracePeriodSeconds: (\d+)$/m],
  ])("has more time by %s than was promised", (path, pattern) => {
    expect(seconds(path, pattern) * 1000).toBeGreaterThan(STOP_PROMISE_MS)
  })
})
