/** The words that scenarios, their runner and the report share. */

/** How long and how much: a figure to be published, a try, or a check that everything works. */
export type Scale = "full" | "quick" | "smoke"

export type Unit =
  | "events/s"
  | "requests/s"
  | "%"
  | "×"
  | "ms"
  | "s"
  | "MB"
  | "kB"
  | "bytes"
  | "events"
  | "clients"

/** What SPEC.md's table of figures asks for. */
export interface Aim {
  readonly bound: "at least" | "at most"
  readonly value: number
}

/** A measured number, with its aim where it has one. */
export interface Figure {
  readonly name: string
  readonly measured: number
  readonly unit: Unit
  readonly aim: Aim | null
  /** How it came about, or what has to be known to read it. */
  readonly note: string
}

/** Something that has to be exactly so, whatever the speed. */
export interface Check {
  readonly what: string
  readonly expected: number
  readonly actual: number
  /** Part of the expected number by which a sketch (HyperLogLog) may be off; 0 for exact. */
  readonly tolerance: number
}

/** A line of a plot: pairs of x and y. */
export interface Series {
  readonly name: string
  readonly points: ReadonlyArray<readonly [number, number]>
}

export interface Plot {
  readonly title: string
  /** Over seconds; or over percentiles, with milliseconds on a logarithmic scale. */
  readonly over: "time" | "percentiles"
  readonly unit: string
  /** Of x; seconds unless it says otherwise. */
  readonly xUnit?: string
  readonly series: ReadonlyArray<Series>
}

/** What a scenario found. */
export interface Findings {
  readonly figures: ReadonlyArray<Figure>
  readonly checks: ReadonlyArray<Check>
  readonly plots: ReadonlyArray<Plot>
  /** Sentences on how the run went: what limited it, where the load generator lagged. */
  readonly remarks: ReadonlyArray<string>
}

/** What a scenario may use. */
export interface Context {
  readonly scale: Scale
  /** Seconds that a measurement lasts instead of the scenario's own; `null` leaves those. */
  readonly seconds: number | null
  /** Events to store instead of the scenario's own number; `null` leaves that. */
  readonly events: number | null
  /** Empty, and removed after the scenario. */
  readonly folder: string
  /** Of the whole run: what one scenario has made and another one can use. */
  readonly sharedFolder: string
  /** Shows progress. */
  readonly say: (line: string) => void
  /** Registers what must end with the scenario, however that ends; in the reverse order. */
  readonly onEnd: (end: () => unknown) => void
}

export interface Scenario {
  readonly name: string
  /** One sentence: what is measured. */
  readonly title: string
  readonly run: (context: Context) => Promise<Findings>
}

/** A value by scale. */
export const byScale = <A>(context: Pick<Context, "scale">, values: Readonly<Record<Scale, A>>): A =>
  values[context.scale]

/** Seconds of a measurement: what the command line says, else the scenario's own. */
export const seconds = (context: Context, values: Readonly<Record<Scale, number>>): number =>
  context.seconds ?? values[context.scale]

export const atLeast = (value: number): Aim => ({ bound: "at least", value })
export const atMost = (value: number): Aim => ({ bound: "at most", value })

/** A figure; without an aim it only informs. */
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

export const holds = ({ expected, actual, tolerance }: Check): boolean =>
  Math.abs(actual - expected) <= Math.abs(expected) * tolerance

/** Whether a figure reaches its aim; `null` when it has none. */
export const meets = ({ measured, aim }: Figure): boolean | null =>
  aim === null ? null : aim.bound === "at least" ? measured >= aim.value : measured <= aim.value

/** The middle one, or the mean of both middle ones. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
