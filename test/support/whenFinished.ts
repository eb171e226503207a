/** What is made for a test, or for all tests of a file, goes when they are over. */
import { onTestFinished } from "vitest"

type Action = () => unknown

/** Where actions are kept while something is made that several tests share. */
let kept: Array<Action> | null = null

/** Runs an action when the test is over, or all tests for which something is being made. */
export const whenFinished = (action: Action): void => {
  if (kept === null) onTestFinished(async () => void (await action()))
  else kept.push(action)
}

/** For `beforeAll`: makes what tests share, and returns what undoes it, the last first. */
export const shared = async (make: () => Promise<unknown>): Promise<() => Promise<void>> => {
  const actions: Array<Action> = []
  kept = actions
  try {
    await make()
  } finally {
    kept = null
  }
  return async () => {
    for (const action of actions.reverse()) await action()
  }
}
