// Preloaded into a process (`--import`), in each of its threads: gives it the tests' clock, see clock.ts.
import { shiftDate } from "./shiftDate.mjs"

const ahead = Number(process.env.TEST_CLOCK_AHEAD_MS)
shiftDate(() => ahead)
