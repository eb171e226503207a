/** All scenarios, in the order in which they run: `queries` lets events arrive in the store of the past that `footprint` weighs. */
import type { Scenario } from "../scenario.ts"
import { against } from "./against.ts"
import { endToEnd } from "./endToEnd.ts"
import { enrichment } from "./enrichment.ts"
import { fanout } from "./fanout.ts"
import { footprint } from "./footprint.ts"
import { ingest } from "./ingest.ts"
import { latency } from "./latency.ts"
import { queries } from "./queries.ts"
import { retention } from "./retention.ts"
import { scale } from "./scale.ts"
import { scrape } from "./scrape.ts"

export const SCENARIOS: ReadonlyArray<Scenario> = [
  ingest,
  enrichment,
  endToEnd,
  latency,
  fanout,
  footprint,
  queries,
  retention,
  scrape,
  scale,
  against,
]
