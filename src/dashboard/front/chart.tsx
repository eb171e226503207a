import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks"
import { useWording } from "../panels/parts.tsx"
import { type Course, type CoursePoint, secondsTo, stepsTo } from "./course.ts"

export interface CourseChartProps {
  readonly course: Course
  /** Opens the interval that begins then. */
  readonly onOpen: ((name: string) => void) | undefined
}

interface Size {
  readonly width: number
  readonly height: number
  /** Pixels of the page's font size, with which everything grows. */
  readonly rem: number
}

/** Where the chart's points are, in pixels. */
interface Frame extends Size {
  readonly steps: ReadonlyArray<number>
  readonly left: number
  readonly bottom: number
  readonly x: (index: number) => number
  readonly y: (value: number) => number
}

const useSize = () => {
  const place = useRef<HTMLDivElement>(null)
  const [size, setSize] = useState<Size | null>(null)
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const measure = () =>
      setSize({
        width: element.clientWidth,
        height: element.clientHeight,
        rem: Number.parseFloat(getComputedStyle(document.documentElement).fontSize),
      })
    const resized = new ResizeObserver(measure)
    resized.observe(element)
    measure()
    return () => resized.disconnect()
  }, [])
  return { place, size }
}

const frameOf = (course: Course, size: Size, label: (value: number) => string): Frame => {
  const { points, metric } = course
  const { width, height, rem } = size
  const most = Math.max(0, ...points.flatMap(({ value, before }) => [value ?? 0, before ?? 0]))
  const steps = metric === "visit_duration" ? secondsTo(most, 4) : stepsTo(most, 4)
  const top = steps.at(-1) ?? 1
  const left = rem * (0.9 + 0.48 * Math.max(...steps.map((each) => label(each).length)))
  const [right, above, bottom] = [rem * 0.9, rem * 0.7, height - rem * 1.7]
  const last = Math.max(1, points.length - 1)
  return {
    ...{ width, height, rem, steps, left, bottom },
    x: (index) =>
      points.length === 1 ? (left + width - right) / 2 : left + ((width - left - right) * index) / last,
    y: (value) => bottom - ((bottom - above) * value) / top,
  }
}

/** A line through the points from one index to another, as the `d` of a path. */
const lineOf = (
  points: ReadonlyArray<CoursePoint>,
  { x, y }: Frame,
  read: (point: CoursePoint) => number | null,
  from = 0,
  to = points.length - 1,
): string => {
  let path = ""
  let drawing = false
  for (let i = Math.max(0, from); i <= to; i++) {
    const point = points[i]
    const value = point === undefined ? null : read(point)
    if (value !== null) path += `${drawing ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`
    drawing = value !== null
  }
  return path
}

/** The course of a figure: what was before in grey, an interval that is going on dashed; read with the pointer or the arrow keys. */
export const CourseChart = ({ course, onOpen }: CourseChartProps) => {
  const { t, short, measure, intervalName } = useWording()
  const { place, size } = useSize()
  const [at, setAt] = useState<number | null>(null)
  const { points, metric, interval, unfinished } = course
  const frame = useMemo(
    () => (size === null ? null : frameOf(course, size, (value) => short(metric, value))),
    [course, size, short],
  )
  const index = at === null ? null : Math.min(at, points.length - 1)
  const point = index === null ? undefined : points[index]
  const textOf = (of: CoursePoint, i: number): string =>
    [
      intervalName(interval, of.name),
      `${measure(metric, of.value)} ${t.front.metrics[metric]}`,
      ...(of.before === null ? [] : [t.front.against(measure(metric, of.before))]),
      ...(i === unfinished ? [t.front.unfinished] : []),
    ].join(", ")
  const nearest = (clientX: number): number | null => {
    if (frame === null || place.current === null) return null
    const from = clientX - place.current.getBoundingClientRect().left - frame.x(0)
    const step = points.length > 1 ? frame.x(1) - frame.x(0) : 1
    return Math.max(0, Math.min(points.length - 1, Math.round(from / step)))
  }
  const last = points.findLastIndex(({ value }) => value !== null)
  const current = index ?? Math.max(0, last)
  const currentPoint = points[current]
  return (
    // A slider is what the arrow keys read value by value.
    <div
      class={`plot ${onOpen === undefined ? "" : "opens"}`}
      ref={place}
      role="slider"
      tabIndex={0}
      aria-label={t.front.plotted(t.front.metrics[metric])}
      aria-description={t.front.chartHint}
      aria-valuemin={0}
      aria-valuemax={Math.max(0, points.length - 1)}
      aria-valuenow={current}
      aria-valuetext={currentPoint === undefined ? "" : textOf(currentPoint, current)}
      data-course={metric}
      data-values={points.map(({ value }) => value ?? "").join(" ")}
      onPointerMove={({ clientX }) => setAt(nearest(clientX))}
      onPointerLeave={() => setAt(null)}
      onBlur={() => setAt(null)}
      onClick={({ clientX }) => {
        const clicked = points[nearest(clientX) ?? -1]
        if (clicked !== undefined && clicked.value !== null) onOpen?.(clicked.name)
      }}
      onKeyDown={(e) => {
        const moves = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: points.length - 1 }
        const to = Object.entries(moves).find(([key]) => key === e.key)?.[1]
        if (to !== undefined) setAt(Math.max(0, Math.min(points.length - 1, to)))
        else if (e.key === "Enter" && point !== undefined) onOpen?.(point.name)
        else if (e.key === "Escape") setAt(null)
        else return
        e.preventDefault()
      }}
    >
      {frame !== null && <Picture course={course} frame={frame} at={index} />}
      {frame !== null && point !== undefined && index !== null && (
        <ReadOut course={course} frame={frame} index={index} />
      )}
    </div>
  )
}

interface PictureProps {
  readonly course: Course
  readonly frame: Frame
  readonly at: number | null
}

const Picture = ({ course, frame, at }: PictureProps) => {
  const { short } = useWording()
  const { points, metric, unfinished } = course
  const { width, height, x, y, left, bottom, rem, steps } = frame
  const id = useId()
  const value = (point: CoursePoint) => point.value
  const last = points.findLastIndex((each) => each.value !== null)
  const solid = unfinished === null || unfinished > last ? last : unfinished - 1
  const line = lineOf(points, frame, value, 0, solid)
  const area = lineOf(points, frame, value, 0, last)
  const dot = points[at ?? last]
  return (
    <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
      <linearGradient id={id} x1="0" x2="0" y1="0" y2="1">
        <stop offset="0" class="from" />
        <stop offset="1" class="to" />
      </linearGradient>
      {steps.map((step) => (
        <g key={step} class="step">
          <line x1={left} x2={width} y1={y(step)} y2={y(step)} />
          <text x={left - rem * 0.6} y={y(step)} dy="0.32em" text-anchor="end">
            {short(metric, step)}
          </text>
        </g>
      ))}
      <Ticks course={course} frame={frame} />
      {area !== "" && last > 0 && (
        <path class="area" d={`${area}L${x(last)} ${bottom}L${x(0)} ${bottom}Z`} fill={`url(#${id})`} />
      )}
      <path class="before" d={lineOf(points, frame, (point) => point.before)} />
      <path class="now" d={line} />
      {solid < last && <path class="now going" d={lineOf(points, frame, value, solid, last)} />}
      {at !== null && <line class="cursor" x1={x(at)} x2={x(at)} y1={y(steps.at(-1) ?? 0)} y2={bottom} />}
      {at !== null && dot !== undefined && dot.before !== null && (
        <circle class="dot-before" cx={x(at)} cy={y(dot.before)} r={rem * 0.22} />
      )}
      {dot !== undefined && dot.value !== null && (at !== null || points.length === 1) && (
        <circle class="dot-now" cx={x(at ?? last)} cy={y(dot.value)} r={rem * 0.28} />
      )}
    </svg>
  )
}

/** Names of intervals below the chart: as many as have room. */
const Ticks = ({ course, frame }: { readonly course: Course; readonly frame: Frame }) => {
  const { tick } = useWording()
  const { points, interval } = course
  const { width, left, height, rem, x } = frame
  const room = Math.max(1, Math.floor((width - left) / (rem * 5)))
  const every = Math.ceil(points.length / room)
  return (
    <g class="ticks">
      {points.map(({ name }, i) =>
        i % every === 0 && (i + every / 2 <= points.length || i === 0) ? (
          <text
            key={name}
            x={x(i)}
            y={height - rem * 0.35}
            text-anchor={x(i) > width - rem * 2 ? "end" : "middle"}
          >
            {tick(interval, name)}
          </text>
        ) : null,
      )}
    </g>
  )
}

interface ReadOutProps {
  readonly course: Course
  readonly frame: Frame
  readonly index: number
}

const ReadOut = ({ course, frame, index }: ReadOutProps) => {
  const { t, measure, intervalName } = useWording()
  const { points, metric, interval, unfinished } = course
  const point = points[index]
  if (point === undefined) return null
  const isRight = frame.x(index) > frame.width / 2
  const at = isRight ? { right: `${frame.width - frame.x(index)}px` } : { left: `${frame.x(index)}px` }
  return (
    <div class={`readout ${isRight ? "right" : ""}`} style={at} aria-hidden="true" translate={false}>
      <p>
        {intervalName(interval, point.name)}
        {index === unfinished && <em> · {t.front.unfinished}</em>}
      </p>
      <p>
        <b>{measure(metric, point.value)}</b> {t.front.metrics[metric]}
      </p>
      {point.before !== null && <p class="past">{t.front.against(measure(metric, point.before))}</p>}
    </div>
  )
}
