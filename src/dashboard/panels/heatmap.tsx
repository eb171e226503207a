import { useEffect, useRef, useState } from "preact/hooks"
import type { HeatmapPoint } from "../../domain/answers.ts"
import { farthest } from "../model/scale.ts"
import type { Loaded } from "../model/state.ts"
import { HEATMAP_HOURS } from "../model/store.ts"
import { Panel, PartView, useWording } from "./parts.tsx"

/** Positions in the table for screen readers. */
const LISTED = 20

export interface HeatmapPanelProps {
  readonly clicks: Loaded<ReadonlyArray<HeatmapPoint>>
  readonly page: string
  readonly pages: ReadonlyArray<string>
  /** Changes with the colours, so that the picture is painted again. */
  readonly scheme: string
  readonly onChoose: (page: string) => void
  readonly onAgain: () => void
}

/** Where visitors of a page clicked. */
export const HeatmapPanel = ({ clicks, page, pages, scheme, onChoose, onAgain }: HeatmapPanelProps) => {
  const { t } = useWording()
  return (
    <Panel name="heatmap" title={t.heatmap} hint={t.clicksOf(HEATMAP_HOURS)}>
      <div class="page-row">
        <PageChoice page={page} pages={pages} onChoose={onChoose} />
        {/^https?:/.test(page) && (
          <a href={overPage(page)} target="_blank" rel="noopener">
            {t.overPage}
          </a>
        )}
      </div>
      <PartView part={clicks} onAgain={onAgain} size="tall">
        {(data) =>
          data.length === 0 ? (
            <p class="empty tall">{t.heatmapEmpty}</p>
          ) : (
            <HeatmapView clicks={data} scheme={scheme} />
          )
        }
      </PartView>
    </Panel>
  )
}

/** Where the tracker draws the clicks over the page itself. */
const overPage = (page: string): string => `${page.replace(/#.*$/s, "")}#maicivy-heatmap`

const PageChoice = ({ page, pages, onChoose }: Pick<HeatmapPanelProps, "page" | "pages" | "onChoose">) => {
  const { t } = useWording()
  const [text, setText] = useState(page)
  useEffect(() => setText(page), [page])
  return (
    <label class="page">
      <span>{t.page}</span>
      <input
        type="search"
        list="pages"
        value={text}
        placeholder={t.allPages}
        autocomplete="off"
        spellcheck={false}
        onInput={(e) => {
          const { value } = e.currentTarget
          setText(value)
          // An entry of the list is chosen at once; what is typed waits for Enter.
          if (value === "" || pages.includes(value)) onChoose(value)
        }}
        onChange={(e) => onChoose(e.currentTarget.value)}
      />
      <datalist id="pages">
        {pages.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </label>
  )
}

const HeatmapView = ({
  clicks,
  scheme,
}: {
  readonly clicks: ReadonlyArray<HeatmapPoint>
  readonly scheme: string
}) => {
  const { t, number } = useWording()
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const element = canvas.current
    if (element === null) return
    const paint = () => draw(element, clicks)
    paint()
    const resized = new ResizeObserver(paint)
    resized.observe(element)
    return () => resized.disconnect()
  }, [clicks, scheme])
  const total = clicks.reduce((sum, { count }) => sum + count, 0)
  const top = [...clicks].sort((a, b) => b.count - a.count).slice(0, LISTED)
  const text = t.heatmapText(total, number(total), clicks.length, number(clicks.length))
  return (
    <>
      <div class="sheet">
        <canvas ref={canvas} role="img" aria-label={text} />
      </div>
      <p class="scale" data-clicks={total}>
        <span>{text}</span>
        <span class="ramp" aria-hidden="true">
          {t.few}
          <i />
          {t.many}
        </span>
      </p>
      <div class="unseen">
        <table>
          <caption>{t.heatmap}</caption>
          <thead>
            <tr>
              <th scope="col">{t.position}</th>
              <th scope="col">{t.clicks}</th>
            </tr>
          </thead>
          <tbody>
            {top.map(({ x, y, count }) => (
              <tr key={`${x} ${y}`}>
                <th scope="row">
                  {number(x)}, {number(y)}
                </th>
                <td>{number(count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

/** Columns of the density grid, which is scaled up and smoothed when drawn. */
const CELLS = 180
/** Radius of the kernel, as a share of the width. */
const REACH = 0.06

/**
 * Paints how dense clicks are: a kernel density estimate, scaled so that the densest place has the strongest colour.
 * The tracker sends positions in percent of the page; where most are larger, of a sender that counts pixels, they are scaled to fit.
 */
const draw = (canvas: HTMLCanvasElement, clicks: ReadonlyArray<HeatmapPoint>): void => {
  const ratio = Math.min(2, devicePixelRatio)
  const width = Math.round(canvas.clientWidth * ratio)
  const height = Math.round(canvas.clientHeight * ratio)
  const context = canvas.getContext("2d")
  if (context === null || width === 0 || height === 0) return
  canvas.width = width
  canvas.height = height
  const rows = Math.max(1, Math.round((CELLS * height) / width))
  const cells = new OffscreenCanvas(CELLS, rows)
  const painter = cells.getContext("2d")
  if (painter === null) return
  const density = densityOf(clicks, CELLS, rows)
  const most = Math.max(...density)
  const ramp = rampOf(canvas)
  const picture = painter.createImageData(CELLS, rows)
  density.forEach((dense, cell) => {
    // The square root lifts rare clicks, which would not be visible beside the most frequent.
    const strength = Math.round(255 * Math.sqrt(dense / most))
    picture.data.set(ramp.subarray(4 * strength, 4 * strength + 3), 4 * cell)
    picture.data[4 * cell + 3] = Math.min(235, strength * 2.6)
  })
  painter.putImageData(picture, 0, 0)
  context.imageSmoothingQuality = "high"
  context.drawImage(cells, 0, 0, width, height)
}

/** Returns the density at each cell, row by row: clicks weighted by a quartic kernel, (1 − d²)² at distance d of its radius. */
const densityOf = (clicks: ReadonlyArray<HeatmapPoint>, columns: number, rows: number): Float32Array => {
  const density = new Float32Array(columns * rows)
  const widest = farthest(clicks.map(({ x, count }) => ({ at: x, count })))
  const highest = farthest(clicks.map(({ y, count }) => ({ at: y, count })))
  const reach = REACH * columns
  for (const { x, y, count } of clicks) {
    const [cx, cy] = [(x / widest) * (columns - 1), (y / highest) * (rows - 1)]
    for (let row = Math.max(0, Math.ceil(cy - reach)); row <= Math.min(rows - 1, cy + reach); row++)
      for (
        let column = Math.max(0, Math.ceil(cx - reach));
        column <= Math.min(columns - 1, cx + reach);
        column++
      ) {
        const near = 1 - ((column - cx) ** 2 + (row - cy) ** 2) / reach ** 2
        if (near > 0)
          density[row * columns + column] = (density[row * columns + column] ?? 0) + count * near ** 2
      }
  }
  return density
}

/** Returns 256 colours (RGBA) from few to many, interpolated between those of the style sheet. */
const rampOf = (element: HTMLElement): Uint8ClampedArray => {
  const styles = getComputedStyle(element)
  const strip = new OffscreenCanvas(256, 1).getContext("2d")
  if (strip === null) return new Uint8ClampedArray(1024)
  const gradient = strip.createLinearGradient(0, 0, 256, 0)
  for (const [at, name] of [
    [0, "--heat-1"],
    [0.45, "--heat-2"],
    [0.8, "--heat-3"],
    [1, "--heat-4"],
  ] as const)
    gradient.addColorStop(at, styles.getPropertyValue(name).trim())
  strip.fillStyle = gradient
  strip.fillRect(0, 0, 256, 1)
  return strip.getImageData(0, 0, 256, 1).data
}
