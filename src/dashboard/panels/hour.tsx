import { useEffect, useRef } from "preact/hooks"
import uPlot from "uplot"
import { type LastHour, MINUTES } from "../model/lastHour.ts"
import type { Loaded } from "../model/state.ts"
import type { Wording } from "../model/text.ts"
import { Panel, PartView, useWording } from "./parts.tsx"

const MINUTE_S = 60

export interface HourPanelProps {
  readonly hour: Loaded<LastHour>
  /** Changes with the colours, so that the chart is made again. */
  readonly scheme: string
  readonly onAgain: () => void
}

/** Events per minute as columns, visitors present as a line. */
export const HourPanel = ({ hour, scheme, onAgain }: HourPanelProps) => {
  const { t } = useWording()
  return (
    <Panel
      name="hour"
      title={t.lastHour}
      aside={
        <p class="legend" aria-hidden="true">
          <span>
            <i class="key" />
            {t.eventsPerMinute}
          </span>
          <span>
            <i class="key line" />
            {t.visitorsPresent}
          </span>
        </p>
      }
    >
      <PartView part={hour} onAgain={onAgain} size="tall">
        {(data) => <HourChart hour={data} scheme={scheme} />}
      </PartView>
    </Panel>
  )
}

const minuteAt = (hour: LastHour, index: number): number => (hour.first + index) * MINUTE_S * 1000

const HourChart = ({ hour, scheme }: { readonly hour: LastHour; readonly scheme: string }) => {
  const wording = useWording()
  const { t, number, shortClock } = wording
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot | null>(null)

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const made = new uPlot(chartOptions(element, wording), chartData(hour), element)
    chart.current = made
    const resized = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: element.clientHeight })
    })
    resized.observe(element)
    return () => {
      resized.disconnect()
      made.destroy()
    }
    // Made again for another language or other colours only; data is set below.
  }, [wording, scheme])
  useEffect(() => chart.current?.setData(chartData(hour)), [hour])

  const total = hour.events.reduce((sum, count) => sum + count, 0)
  const peak = Math.max(...hour.events)
  const summary =
    total === 0
      ? t.lastHourQuiet
      : t.lastHourText(
          total,
          number(total),
          number(peak),
          shortClock(minuteAt(hour, hour.events.indexOf(peak))),
        )
  return (
    <>
      <div class="chart" ref={place} role="img" aria-label={summary} data-total={total} />
      <div class="unseen">
        <table>
          <caption>{t.lastHour}</caption>
          <thead>
            <tr>
              <th scope="col">{t.minute}</th>
              <th scope="col">{t.eventsPerMinute}</th>
              <th scope="col">{t.visitorsPresent}</th>
            </tr>
          </thead>
          <tbody>
            {hour.events.map((count, index) => (
              <tr key={hour.first + index}>
                <th scope="row">{shortClock(minuteAt(hour, index))}</th>
                <td>{number(count)}</td>
                <td>{number(hour.visitors[index] ?? 0)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

const chartData = (hour: LastHour): uPlot.AlignedData => [
  Array.from({ length: MINUTES }, (_, index) => (hour.first + index) * MINUTE_S),
  [...hour.events],
  [...hour.visitors],
]

/** Long: the options of one chart. */
const chartOptions = (element: HTMLElement, { number, shortClock, t }: Wording): uPlot.Options => {
  const styles = getComputedStyle(element)
  const colour = (name: string) => styles.getPropertyValue(name).trim()
  // The page's font size grows with the screen, and the chart's with it.
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
  // uPlot scales a font size for dense screens only when it is a whole number of pixels.
  const font = `${Math.round(0.73 * rem)}px ${styles.fontFamily}`
  const bars = uPlot.paths.bars?.({ size: [0.7, 1.2 * rem], radius: 0.25 })
  const line = uPlot.paths.spline?.()
  const wholes = (_: uPlot, values: ReadonlyArray<number>) =>
    values.map((value) => (Number.isInteger(value) ? number(value) : ""))
  /** Room for the longest label, but at least that of a quiet site, so that the chart does not jump. */
  const labelRoom = (least: number) => (_: uPlot, labels: ReadonlyArray<string> | null) =>
    rem * Math.max(least, 0.8 + 0.45 * Math.max(0, ...(labels ?? []).map((label) => label.length)))
  // Leaves room above the highest value, and has an axis even when every value is 0.
  const range = (_: uPlot, _least: number, most: number): [number, number] => [0, Math.max(4, most * 1.15)]
  const axis = { stroke: colour("--quiet"), font, ticks: { show: false } }
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    padding: [0.5 * rem, 0, 0, 0],
    legend: { show: true, live: true, markers: { show: false } },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: (_, from, to) => [from - 40, to + 40] },
      events: { range },
      visitors: { range },
    },
    series: [
      { label: t.minute, value: (_, at) => (at === null ? "" : shortClock(at * 1000)) },
      {
        label: t.eventsPerMinute,
        scale: "events",
        fill: colour("--bar"),
        points: { show: false },
        value: (_, count) => (count === null ? "" : number(count)),
        ...(bars !== undefined && { paths: bars }),
      },
      {
        label: t.visitorsPresent,
        scale: "visitors",
        stroke: colour("--line"),
        width: 2,
        points: { show: false },
        value: (_, count) => (count === null ? "" : number(count)),
        ...(line !== undefined && { paths: line }),
      },
    ],
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 1.8 * rem,
        space: 4.7 * rem,
        values: (_, at) => at.map((each) => shortClock(each * 1000)),
      },
      {
        ...axis,
        scale: "events",
        grid: { stroke: colour("--grid"), width: 1 },
        size: labelRoom(2.6),
        space: 2.4 * rem,
        values: wholes,
      },
      {
        ...axis,
        scale: "visitors",
        side: 1,
        grid: { show: false },
        size: labelRoom(2.2),
        space: 2.4 * rem,
        stroke: colour("--line"),
        values: wholes,
      },
    ],
  }
}
