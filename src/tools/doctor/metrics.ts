/** Checks that the metrics are readable and complete, and what they say about the pipeline. */
import * as Effect from "effect/Effect"
import { Metrics } from "../../metrics/metrics.ts"
import { ask, type Deployment, type NoAnswer, said } from "./ask.ts"
import { type Exposition, parseExposition } from "./exposition.ts"
import { type Finding, failed, ok, warning } from "./finding.ts"

/** Seconds an event may wait before figures count as late. */
const LATE_S = 60
/** The end of one metric's name, by which it is recognised whatever the prefix. */
const ACCEPTED = "events_accepted_total"

const greatest = ({ samples }: Exposition, name: string): number =>
  Math.max(0, ...samples.filter((each) => each.name === name).map(({ value }) => value))

const total = ({ samples }: Exposition, name: string): number =>
  samples.filter((each) => each.name === name).reduce((sum, { value }) => sum + value, 0)

const complete = (exposition: Exposition, prefix: string): Finding => {
  const expected = new Metrics(prefix).registry.getMetricsAsArray()
  const wrong = expected.filter(({ name, type }) => exposition.types.get(name) !== String(type))
  return wrong.length === 0
    ? ok(
        "metrics",
        `${exposition.samples.length} series, all ${expected.length} metrics of ${prefix}* among them`,
      )
    : failed("metrics", `${wrong.map(({ name }) => name).join(", ")} are missing: another version?`)
}

const pipeline = (exposition: Exposition, prefix: string): ReadonlyArray<Finding> => {
  const letters = total(exposition, `${prefix}dead_letters`)
  const built = greatest(exposition, `${prefix}geo_database_build_timestamp_seconds`)
  const age = greatest(exposition, `${prefix}stream_oldest_event_age_seconds`)
  return [
    letters === 0
      ? ok("dead letters", "none")
      : warning("dead letters", `${letters} events could not be processed: npm start -- dead-letters list`),
    age < LATE_S
      ? ok("processing", `${total(exposition, `${prefix}stream_backlog`)} events wait`)
      : failed(
          "processing",
          `an event has waited for ${Math.round(age)} s: are there actors, and is Postgres up?`,
        ),
    ok(
      "countries",
      built === 0
        ? "told by a trusted proxy's header, or else unknown: GEO_DATABASE takes an .mmdb file (docs/events.md#countries)"
        : `told by a database of ${new Date(built * 1000).toISOString().slice(0, 10)}`,
    ),
    ...(total(exposition, `${prefix}figures_lost`) === 0
      ? []
      : [
          failed(
            "figures",
            "Redis lacks figures of a partition: it is being rebuilt, or the log says why not; npm start -- rebuild does it by hand",
          ),
        ]),
  ]
}

/** `GET /metrics`. A proxy that keeps them private is right to do so. */
export const metrics = (
  deployment: Deployment,
  configuredPrefix: string,
): Effect.Effect<ReadonlyArray<Finding>, NoAnswer> =>
  Effect.map(ask(deployment, "/metrics"), (answer) => {
    if ([401, 403, 404].includes(answer.status))
      return [warning("metrics", `${said(answer)}: not to be seen from here; ask the node itself`)]
    if (answer.status !== 200) return [failed("metrics", said(answer))]
    const exposition = parseExposition(answer.body)
    if (typeof exposition === "string")
      return [failed("metrics", `not the Prometheus text format: ${exposition}`)]
    const names = [...exposition.types.keys()]
    const own = names.find((name) => name.endsWith(ACCEPTED))
    const prefix = own === undefined ? configuredPrefix : own.slice(0, -ACCEPTED.length)
    return [complete(exposition, prefix), ...pipeline(exposition, prefix)]
  })
