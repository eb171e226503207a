/** The last hour by minute: read once, then updated with every frame. Pure functions; `now` is in unix milliseconds. */
import type { LiveEvent, Omitted } from "../../domain/frames.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import type { HistoryAnswer } from "./decode.ts"

/** Length of the window. */
export const MINUTES = 60

export interface LastHour {
  /** The first minute, counted from 1970. */
  readonly first: number
  /** One entry a minute. */
  readonly events: ReadonlyArray<number>
  readonly visitors: ReadonlyArray<number>
  /** Events after this instant (unix milliseconds) are not in what was read. */
  readonly until: number
}

/** The window that `/history` answered. */
export const fromHistory = ({ data, meta }: HistoryAnswer): LastHour => ({
  first: Date.parse(data[0]?.time ?? meta.until) / MINUTE_MS,
  events: data.map(({ events }) => events),
  visitors: data.map(({ visitors }) => visitors),
  until: Date.parse(meta.until),
})

/** Moves the window so that it ends with the minute of `now`. Added minutes have the last number of visitors, or 0 after more than 5. */
export const upTo = (hour: LastHour, now: number): LastHour => {
  const gone = Math.floor(now / MINUTE_MS) - (hour.first + MINUTES - 1)
  if (gone <= 0) return hour
  const shift = (list: ReadonlyArray<number>, fill: number) => [
    ...list.slice(gone),
    ...Array<number>(Math.min(gone, MINUTES)).fill(fill),
  ]
  return {
    ...hour,
    first: hour.first + gone,
    events: shift(hour.events, 0),
    visitors: shift(hour.visitors, gone > 5 ? 0 : (hour.visitors.at(-1) ?? 0)),
  }
}

const addAt = (hour: LastHour, minute: number, count: number): LastHour => {
  const index = minute - hour.first
  if (index < 0 || index >= MINUTES) return hour
  return { ...hour, events: hour.events.with(index, (hour.events[index] ?? 0) + count) }
}

/** Counts an event in the minute of its own time, unless it was in what was read. */
export const withEvent = (hour: LastHour, event: LiveEvent, now: number): LastHour => {
  const at = Date.parse(event.timestamp)
  return at <= hour.until ? hour : addAt(upTo(hour, now), Math.floor(at / MINUTE_MS), 1)
}

/** Counts events that came as sums, without times: they are from the last second. */
export const withOmitted = (hour: LastHour, omitted: Omitted, now: number): LastHour =>
  addAt(upTo(hour, now), Math.floor(now / MINUTE_MS), omitted.events)

/** Sets how many visitors are there now. */
export const withVisitors = (hour: LastHour, current: number, now: number): LastHour => {
  const moved = upTo(hour, now)
  return moved.visitors.at(-1) === current
    ? moved
    : { ...moved, visitors: moved.visitors.with(MINUTES - 1, current) }
}
