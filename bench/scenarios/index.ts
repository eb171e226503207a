/** All scenarios, in the order in which they run. */
import type { Scenario } from "../scenario.ts"
import { endToEnd } from "./endToEnd.ts"
import { footprint } from "./footprint.ts"
import { ingest } from "./ingest.ts"
import { latency } from "./latency.ts"

export const SCENARIOS: ReadonlyArray<Scenario> = [ingest, endToEnd, latency, footprint]
