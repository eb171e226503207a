/** The types that scenarios, their runner and the report share. */

/** How long and how much: for figures to publish, for experiments, or to check that everything works. */
export type Scale = "full" | "quick" | "smoke"

export type Unit =
  | "events/s"
  | "requests/s"
  | "%"
  | "×"
  | "µs"
  | "ms"
  | "s"
  | "MB"
  | "kB"
  | "bytes"
  | "events"
  | "clients"

/** The bound that a figure has to meet. */
export interface Aim {
  readonly bound: "at least" | "at most"
  readonly value: number
}

/** A measured number, with its aim if it has one. */
export interface Figure {
  readonly name: string
  readonly measured: number
  readonly unit: Unit
  readonly aim: Aim | null
  /** How it was measured, or what one needs to know to read it. */
  readonly note: string
}

/** Something that must be exactly right, whatever the speed. */
export interface Check {
  readonly what: string
  readonly expected: number
  readonly actual: number
  /** The relative error allowed to a sketch (HyperLogLog); 0 for exact. */
  readonly tolerance: number
  /** How many of those expected nobody has acknowledged: each may be there or not. */
  readonly unsure?: number
}

/** A line in a plot: pairs of x and y. */
export interface Series {
  readonly name: string
  readonly points: ReadonlyArray<readonly [number, number]>
}

export interface Plot {
  readonly title: string
  /** Over seconds, or over percentiles with milliseconds on a logarithmic scale. */
  readonly over: "time" | "percentiles"
  readonly unit: string
  /** The unit of x; seconds by default. */
  readonly xUnit?: string
  readonly series: ReadonlyArray<Series>
}

/** What a scenario found. */
export interface Findings {
  readonly figures: ReadonlyArray<Figure>
  readonly checks: ReadonlyArray<Check>
  readonly plots: ReadonlyArray<Plot>
  /** Sentences about the run: what limited it, where the load generator lagged. */
  readonly remarks: ReadonlyArray<string>
}

/** What a scenario can use. */
export interface Context {
  readonly scale: Scale
  /** Seconds per measurement; `null` for the scenario's own. */
  readonly seconds: number | null
  /** Events to store; `null` for the scenario's own number. */
  readonly events: number | null
  /** An empty folder, removed after the scenario. */
  readonly folder: string
  /** Shared by the whole run: what one scenario has made and another one can use. */
  readonly sharedFolder: string
  /** Shows progress. */
  readonly say: (line: string) => void
  /** Registers what to stop when the scenario ends, however it ends; in reverse order. */
  readonly onEnd: (end: () => unknown) => void
}

export interface Scenario {
  readonly name: string
  /** What is measured, in one sentence. */
  readonly title: string
  readonly run: (context: Context) => Promise<Findings>
}

/** A value by scale. */
export const byScale = <A>(context: Pick<Context, "scale">, values: Readonly<Record<Scale, A>>): A =>
  values[context.scale]

/** Seconds of a measurement: from the command line, or the scenario's own. */
export const seconds = (context: Context, values: Readonly<Record<Scale, number>>): number =>
  context.seconds ?? values[context.scale]

export const atLeast = (value: number): Aim => ({ bound: "at least", value })
export const atMost = (value: number): Aim => ({ bound: "at most", value })

/** A figure; without an aim it is for information only. */
export const figure = (
  name: string,
  measured: number,
  unit: Unit,
  aim: Aim | null = null,
  note = "",
): Figure => ({ name, measured, unit, aim, note })

/** An exact check. */
export const check = (what: string, expected: number, actual: number, tolerance = 0): Check => ({
  what,
  expected,
  actual,
  tolerance,
})

/** A check that is exact but for what was not acknowledged. */
export const checkSent = (what: string, sent: number, actual: number, unsure: number): Check => ({
  ...check(what, sent, actual),
  unsure,
})

/**
 * The check that every request was answered as it should be. A smoke run has none: it judges no machine, and one that
 * stands still for some seconds lets requests time out.
 */
export const checkAnswered = ({ scale }: Pick<Context, "scale">, failed: number): ReadonlyArray<Check> =>
  scale === "smoke" ? [] : [check("requests that failed", 0, failed)]

export const holds = ({ expected, actual, tolerance, unsure = 0 }: Check): boolean => {
  const error = Math.abs(expected) * tolerance
  return actual >= expected - error - unsure && actual <= expected + error
}

/** Whether a figure meets its aim; `null` if it has none. */
export const meets = ({ measured, aim }: Figure): boolean | null =>
  aim === null ? null : aim.bound === "at least" ? measured >= aim.value : measured <= aim.value

/** The middle value, or the mean of the two middle values. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
