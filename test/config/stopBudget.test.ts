import { describe, expect, test } from "vitest"
import { SETTINGS } from "../../src/config/settings.ts"
import {
  APPEND_TIMEOUT_MS,
  DEFAULT_STOP_PROMISE_MS,
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
    const promised = (pattern: RegExp) => seconds("docs/operations.md", pattern) * 1000
    expect(promised(/exits\s+within\s+(\d+)\s+seconds/)).toBe(DEFAULT_STOP_PROMISE_MS)
    expect(promised(/(\d+)\s+seconds\s+after\s+the\s+drain/)).toBe(STOP_PROMISE_MS)
  })

  test.each([
    ["infra/systemd/maicivy-analytics.service", /^TimeoutStopSec=(\d+)$/m],
    ["infra/docker-compose.yml", /stop_grace_period: (\d+)s$/m],
    ["infra/kubernetes/actors.yaml", /terminationGracePeriodSeconds: (\d+)$/m],
    ["infra/kubernetes/http.yaml", /terminationGracePeriodSeconds: (\d+)$/m],
    ["docs/deployment.md", /--stop-timeout (\d+) /],
  ])("has more time by %s than was promised", (path, pattern) => {
    const drain = seconds(path, /DRAIN_SECONDS, value: "(\d+)"/) || Number(SETTINGS.drainSeconds.default)
    expect(seconds(path, pattern) * 1000).toBeGreaterThan(drain * 1000 + STOP_PROMISE_MS)
  })
})
