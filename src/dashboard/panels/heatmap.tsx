import { useEffect, useRef, useState } from "preact/hooks"
import type { Click } from "../figures.ts"
import { Panel, PartView, useWording } from "../parts.tsx"
import { HEATMAP_HOURS, type Loaded } from "../store.ts"

/** Positions listed beside the picture. */
const LISTED = 20

export interface HeatmapPanelProps {
  readonly clicks: Loaded<ReadonlyArray<Click>>
  readonly page: string
  readonly pages: ReadonlyArray<string>
  /** Changes when the colours do. */
  readonly scheme: string
  readonly onChoose: (page: string) => void
  readonly onAgain: () => void
}

/** Where visitors of a page clicked. */
export const HeatmapPanel = ({ clicks, page, pages, scheme, onChoose, onAgain }: HeatmapPanelProps) => {
  const { t } = useWording()
  return (
    <Panel name="heatmap" title={t.heatmap} hint={t.clicksOf(HEATMAP_HOURS)}>
      <PageChoice page={page} pages={pages} onChoose={onChoose} />
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
          // Choosing from the list is one input; typing waits for Enter.
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
  readonly clicks: ReadonlyArray<Click>
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
  const text = t.heatmapText(number(total), number(clicks.length))
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

/** Radius of one click's glow, as a share of the width. */
const GLOW = 0.045

/**
 * Paints clicks as glows that add up, then gives every strength its colour. Positions are percent of the page as the
 * tracker sends them; those of senders that count pixels are fitted in.
 */
const draw = (canvas: HTMLCanvasElement, clicks: ReadonlyArray<Click>): void => {
  const ratio = Math.min(2, devicePixelRatio)
  const width = Math.round(canvas.clientWidth * ratio)
  const height = Math.round(canvas.clientHeight * ratio)
  const context = canvas.getContext("2d", { willReadFrequently: true })
  if (context === null || width === 0 || height === 0) return
  canvas.width = width
  canvas.height = height
  const widest = Math.max(100, ...clicks.map(({ x }) => x))
  const highest = Math.max(100, ...clicks.map(({ y }) => y))
  const most = Math.max(...clicks.map(({ count }) => count))
  const radius = Math.max(12 * ratio, width * GLOW)
  for (const { x, y, count } of clicks) {
    const [cx, cy] = [(x / widest) * width, (y / highest) * height]
    const glow = context.createRadialGradient(cx, cy, 0, cx, cy, radius)
    const strength = 0.14 + 0.6 * Math.sqrt(count / most)
    glow.addColorStop(0, `rgb(0 0 0 / ${strength})`)
    glow.addColorStop(0.5, `rgb(0 0 0 / ${strength * 0.4})`)
    glow.addColorStop(1, "rgb(0 0 0 / 0)")
    context.fillStyle = glow
    context.fillRect(cx - radius, cy - radius, 2 * radius, 2 * radius)
  }
  const ramp = rampOf(canvas)
  const picture = context.getImageData(0, 0, width, height)
  const { data } = picture
  for (let i = 0; i < data.length; i += 4) {
    const strength = data[i + 3] ?? 0
    if (strength === 0) continue
    data[i] = ramp[4 * strength] ?? 0
    data[i + 1] = ramp[4 * strength + 1] ?? 0
    data[i + 2] = ramp[4 * strength + 2] ?? 0
    data[i + 3] = Math.min(255, strength * 2.2)
  }
  context.putImageData(picture, 0, 0)
}

/** 256 colours from few to many, of the style sheet's. */
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
