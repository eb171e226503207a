/**
 * Checks a running deployment from outside, the way its clients, its operators and its Prometheus see it. It changes
 * nothing except for one event of the type `doctor.check`, which `readOnly` leaves out.
 */
import * as Effect from "effect/Effect"
import type { Deployment, NoAnswer } from "./ask.ts"
import { access, clock, contractOf, endpoints, health, maySeeFigures, readiness, sites } from "./endpoints.ts"
import { type Finding, failed, skipped } from "./finding.ts"
import { live } from "./live.ts"
import { metrics } from "./metrics.ts"
import { type StoreAddresses, stores } from "./stores.ts"

export type { Deployment } from "./ask.ts"
export type { Finding } from "./finding.ts"
export { report, wantsColours } from "./report.ts"

export interface Examination {
  readonly deployment: Deployment
  /** The site of the event and of the figures; `null` for the deployment's default site. */
  readonly site: string | null
  readonly readOnly: boolean
  readonly metricsPrefix: string
  readonly stores: StoreAddresses
  /** This machine's clock, unix milliseconds. */
  readonly now: () => number
}

/** Turns a missing answer into a failed check. */
const answered = <A>(
  check: string,
  found: Effect.Effect<A, NoAnswer>,
  toList: (value: A) => ReadonlyArray<Finding>,
): Effect.Effect<ReadonlyArray<Finding>, never> =>
  Effect.match(found, { onFailure: ({ message }) => [failed(check, message)], onSuccess: toList })

/** All findings, in the order in which a person would check. */
export const examine = ({
  deployment,
  site,
  readOnly,
  metricsPrefix,
  stores: addresses,
  now,
}: Examination): Effect.Effect<ReadonlyArray<Finding>, never> =>
  Effect.gen(function* () {
    const first = yield* answered("health", health(deployment), (each) => [each])
    const own = yield* stores(addresses)
    if (first.some(({ state }) => state === "failed")) return [...first, ...own]
    const ready = yield* answered("readiness", readiness(deployment), (each) => [each])
    const described = yield* Effect.result(contractOf(deployment))
    const [document, contract] =
      described._tag === "Success" ? described.success : [failed("OpenAPI", described.failure.message), null]
    const scraped = yield* answered("metrics", metrics(deployment, metricsPrefix), (each) => each)
    if (contract === null) return [...first, ...ready, document, ...scraped, ...own]
    const [byDefault = ""] = yield* Effect.orElseSucceed(sites(deployment), () => [])
    return [
      ...first,
      ...ready,
      ...(yield* answered("clock", clock(deployment, now), (each) => [each])),
      document,
      ...(yield* endpoints(deployment, contract, site)),
      ...(yield* answered("access", access(deployment), (each) => [each])),
      ...((yield* Effect.orElseSucceed(maySeeFigures(deployment), () => true))
        ? yield* live(deployment, contract, { site: site ?? byDefault, readOnly })
        : [skipped("WebSocket", "it needs access (ADMIN_TOKEN)")]),
      ...scraped,
      ...own,
    ]
  })
