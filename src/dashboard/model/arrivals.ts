/** What comes of a site that is being set up: its latest event, and what was refused. Pure functions over frames. */
import type { LiveEvent, Refusal } from "../../domain/frames.ts"
import type { Frame } from "./decode.ts"

/** Refusals that are shown. */
const MAX_SHOWN = 5

export interface Arrivals {
  /** The latest event, as far as one was shown. */
  readonly event: LiveEvent | null
  /** Whether it came while the page waited, and there was none before. */
  readonly first: boolean
  /** Whether it is known what was there before. */
  readonly looked: boolean
  /** By reason and host, the latest first. */
  readonly refused: ReadonlyArray<Refusal>
}

export const NO_ARRIVALS: Arrivals = { event: null, first: false, looked: false, refused: [] }

const keyOf = ({ site, code, host }: Refusal): string => JSON.stringify([site, code, host])

/** What is refused since, before what was refused. */
const withRefused = (before: Arrivals["refused"], now: ReadonlyArray<Refusal>): Arrivals["refused"] => {
  const known = new Set(now.map(keyOf))
  return [...now, ...before.filter((each) => !known.has(keyOf(each)))].slice(0, MAX_SHOWN)
}

/** What still is wrong: a host that was allowed since is not, nor is what an event has followed, but for another host's. */
export const stillRefused = (
  { event, refused }: Arrivals,
  hosts: ReadonlyArray<string>,
): Arrivals["refused"] =>
  refused.filter(({ code, host, timestamp }) => {
    if (code === "HOST_NOT_ALLOWED") return host === null || !hosts.includes(host)
    return event === null || Date.parse(timestamp) > Date.parse(event.timestamp)
  })

/** An event that is stored: the page was opened later. */
export const withStored = (arrivals: Arrivals, event: LiveEvent | null): Arrivals =>
  arrivals.event === null ? { ...arrivals, event, looked: true } : arrivals

/** A frame has come. */
export const withArrival = (arrivals: Arrivals, frame: Frame, site: string): Arrivals => {
  if (frame.kind === "refusals") return { ...arrivals, refused: withRefused(arrivals.refused, frame.data) }
  if (frame.kind !== "event" || frame.data.site !== site) return arrivals
  const { first, looked, event } = arrivals
  return { ...arrivals, event: frame.data, first: first || (looked && event === null) }
}
