/**
 * The tests' clock. It begins at ten in the morning UTC, with midnight hours away in every zone that tests use, so that what was
 * counted today is of today when it is asked for, whenever the tests run.
 */
import type { BrowserContext } from "playwright-core"
import { DAY_MS, HOUR_MS } from "../../src/domain/time.ts"
import { shiftDate } from "./shiftDate.mjs"

const BEGINS_AT_MS = 10 * HOUR_MS
/** Never behind the stores' clocks, by which Redis lets keys expire. */
const AHEAD_MS = (DAY_MS + BEGINS_AT_MS - (Date.now() % DAY_MS)) % DAY_MS

/** Unix milliseconds. */
export const now = (): number => Date.now() + AHEAD_MS

/** Variables of the environment that give a Node process this clock. */
export const CLOCK_ENV: { readonly [name: string]: string } = {
  NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import=${new URL("./clock.mjs", import.meta.url).href}`,
  TEST_CLOCK_AHEAD_MS: String(AHEAD_MS),
}

/** Gives the pages of a browser's context this clock. */
export const setClock = (context: BrowserContext): Promise<unknown> =>
  context.addInitScript({ content: `(${shiftDate})(() => ${AHEAD_MS})` })
