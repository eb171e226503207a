/** Plots as inline SVG: lines over time, and latency percentiles on a logarithmic scale. page.ts defines the colours. */
import type { Plot, Series } from "../scenario.ts"
import { number } from "./table.ts"

const WIDTH = 720
const HEIGHT = 300
const MARGIN = { top: 16, right: 26, bottom: 40, left: 68 } as const
const INNER_WIDTH = WIDTH - MARGIN.left - MARGIN.right
const INNER_HEIGHT = HEIGHT - MARGIN.top - MARGIN.bottom
/** The number of colours in page.ts. */
const COLOURS = 5
/** Up to this many points, each is marked. */
const FEW = 12

interface Axis {
  /** 0 at the start of the axis, 1 at its end. */
  readonly place: (value: number) => number
  readonly ticks: ReadonlyArray<{ readonly value: number; readonly label: string }>
}

/** Round steps: 1, 2 or 5 times a power of ten. */
const stepOf = (span: number, count: number): number => {
  const raw = span / count
  const power = 10 ** Math.floor(Math.log10(raw))
  const factor = [1, 2, 5, 10].find((each) => each * power >= raw) ?? 10
  return factor * power
}

const short = (value: number): string =>
  value >= 1e6 ? `${number(value / 1e6)}M` : value >= 1e4 ? `${number(value / 1e3)}k` : number(value)

const linear = (max: number): Axis => {
  const most = max > 0 ? max : 1
  const step = stepOf(most, 5)
  const end = step * Math.ceil(most / step)
  return {
    place: (value) => value / end,
    ticks: Array.from({ length: Math.round(end / step) + 1 }, (_, i) => ({
      value: i * step,
      label: short(i * step),
    })),
  }
}

const logarithmic = (min: number, max: number): Axis => {
  const from = Math.floor(Math.log10(Math.max(min, 1e-3)))
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(max, 1e-3))))
  return {
    place: (value) => (Math.log10(Math.max(value, 1e-3)) - from) / (to - from),
    ticks: Array.from({ length: to - from + 1 }, (_, i) => ({
      value: 10 ** (from + i),
      label: short(10 ** (from + i)),
    })),
  }
}

/** A scale of percentiles on which every further nine is equally wide. */
const nines = (): Axis => {
  const place = (percentile: number) => -Math.log10(Math.max(1 - percentile / 100, 1e-4)) / 4
  return {
    place,
    ticks: [0, 50, 90, 99, 99.9, 99.99].map((value) => ({ value, label: value === 0 ? "0" : `p${value}` })),
  }
}

/** Escapes text for HTML. */
export const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

const extent = (series: ReadonlyArray<Series>, axis: 0 | 1): readonly [number, number] => {
  const values = series.flatMap(({ points }) => points.map((point) => point[axis]))
  return values.length === 0 ? [0, 1] : [Math.min(...values), Math.max(...values)]
}

const axes = ({ over, series }: Plot): { readonly x: Axis; readonly y: Axis } => {
  const [low, high] = extent(series, 1)
  return over === "percentiles"
    ? { x: nines(), y: logarithmic(low, high) }
    : { x: linear(extent(series, 0)[1]), y: linear(high) }
}

/** A plot with its legend, as a `figure` element. */
export const svgOf = (plot: Plot): string => {
  const { x, y } = axes(plot)
  const left = (value: number) => (MARGIN.left + x.place(value) * INNER_WIDTH).toFixed(1)
  const top = (value: number) => (MARGIN.top + (1 - y.place(value)) * INNER_HEIGHT).toFixed(1)
  const bottom = MARGIN.top + INNER_HEIGHT
  const grid = y.ticks
    .map(
      ({ value, label }) =>
        `<path class="grid" d="M${MARGIN.left} ${top(value)}h${INNER_WIDTH}"/><text x="${MARGIN.left - 8}" y="${top(value)}" dy="4" text-anchor="end">${label}</text>`,
    )
    .join("")
  const along = x.ticks
    .map(
      ({ value, label }) =>
        `<text x="${left(value)}" y="${bottom + 18}" text-anchor="middle">${label}</text>`,
    )
    .join("")
  const lines = plot.series
    .map(({ points }, i) => {
      const path = points.map(([px, py], j) => `${j === 0 ? "M" : "L"}${left(px)} ${top(py)}`).join("")
      // A few points are marked, because the line between them was not measured.
      const dots =
        points.length > FEW
          ? ""
          : points
              .map(([px, py]) => `<circle class="c${i % COLOURS}" cx="${left(px)}" cy="${top(py)}" r="3.5"/>`)
              .join("")
      return `<path class="line c${i % COLOURS}" d="${path}"/>${dots}`
    })
    .join("")
  const legend =
    plot.series.length === 1
      ? ""
      : `<ul class="legend">${plot.series.map(({ name }, i) => `<li class="c${i % COLOURS}">${escapeHtml(name)}</li>`).join("")}</ul>`
  const xUnit = plot.over === "percentiles" ? "percentile" : (plot.xUnit ?? "seconds")
  return `<figure><figcaption>${escapeHtml(plot.title)} <small>${escapeHtml(plot.unit)}, by ${escapeHtml(xUnit)}</small></figcaption>${legend}<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(plot.title)}">${grid}${along}${lines}</svg></figure>`
}
