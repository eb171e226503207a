/**
 * The heatmap over the page itself, for whoever opens it with `#maicivy-heatmap=<key>`: where visitors have clicked, as numbers in cells.
 * The dashboard opens it with a ticket in the key's place, which is for this page, and a time and filters. Whoever looks is not counted.
 */
import type { Core } from "./core.ts"

interface Point {
  /** In percent of the document. */
  readonly x: number
  readonly y: number
  readonly count: number
}

/** A cell's sides in pixels, about: as large as a button. */
const CELL = { width: 64, height: 40 }
const DAYS = [1, 7]

const style = (element: HTMLElement, properties: { readonly [name: string]: string }) => {
  // Property by property: a page's Content-Security-Policy may forbid style attributes.
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value)
}

const make = <Name extends "div" | "span" | "button">(
  parent: Node,
  name: Name,
  text: string,
  properties: { readonly [name: string]: string },
): HTMLElementTagNameMap[Name] => {
  const element = document.createElement(name)
  element.textContent = text
  style(element, { "box-sizing": "border-box", font: "12px/1.4 system-ui, sans-serif", ...properties })
  parent.appendChild(element)
  return element
}

/** The clicks by the cells that they are in, for a document of this size. */
const cellsOf = (points: ReadonlyArray<Point>, width: number, height: number) => {
  const columns = Math.max(1, Math.round(width / CELL.width))
  const rows = Math.max(1, Math.round(height / CELL.height))
  const cells = new Map<string, { column: number; row: number; count: number }>()
  const within = (percent: number, parts: number) => Math.min(parts - 1, Math.floor((percent / 100) * parts))
  for (const { x, y, count } of points) {
    if (!(x >= 0 && x <= 100 && y >= 0 && y <= 100)) continue
    const [column, row] = [within(x, columns), within(y, rows)]
    const known = cells.get(`${column} ${row}`)
    if (known) known.count += count
    else cells.set(`${column} ${row}`, { column, row, count })
  }
  return { columns, rows, cells: [...cells.values()] }
}

const draw = (layer: HTMLElement, points: ReadonlyArray<Point>) => {
  layer.replaceChildren()
  style(layer, { width: "0", height: "0" })
  const { scrollWidth, scrollHeight } = document.documentElement
  style(layer, { width: `${scrollWidth}px`, height: `${scrollHeight}px` })
  const { columns, rows, cells } = cellsOf(points, scrollWidth, scrollHeight)
  const most = Math.max(...cells.map(({ count }) => count))
  for (const { column, row, count } of cells) {
    // By the root, so that one cell that is clicked all the time leaves the others their colours.
    const strength = 0.2 + 0.6 * Math.sqrt(count / most)
    const cell = make(layer, "div", `${count}`, {
      position: "absolute",
      overflow: "hidden",
      left: `${(100 * column) / columns}%`,
      top: `${(100 * row) / rows}%`,
      width: `${100 / columns}%`,
      height: `${100 / rows}%`,
      background: `rgba(200, 30, 0, ${strength})`,
      color: "#fff",
      ...{ display: "grid", "place-items": "center", font: "bold 14px system-ui, sans-serif" },
      "text-shadow": "0 0 2px #000, 0 0 2px #000, 0 0 5px #000",
    })
    cell.dataset.clicks = `${count}`
  }
}

/** Why there is nothing to see, for people. */
const REFUSALS: { readonly [status: number]: string } = {
  401: "The figures are not open to everybody: add a key to the address, #maicivy-heatmap=<key>.",
  403: "This key does not open the figures of this site.",
}

/** Begins every ticket. */
const TICKET = /^mah_/
const EXPIRED = "This link is not good any more: open the heatmap from the dashboard again."

interface Clicks {
  readonly points: ReadonlyArray<Point>
  /** Of which time they are. */
  readonly time: string
}

const day = (instant: number, timeZone: string): string =>
  new Date(instant).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone })

/** What a ticket is for. */
const readTicket = async (ticket: string): Promise<Clicks> => {
  const url = new URL("{{api}}/heatmap/page", import.meta.url)
  // Sent as a text, so that the browser need not ask beforehand.
  const init = { method: "POST", body: JSON.stringify({ ticket }), credentials: "omit" } as const
  const answer = await fetch(url, init).catch(() => unreachable(url))
  const { data, meta, error } = await answer.json()
  if (!answer.ok) throw new Error(answer.status === 401 ? EXPIRED : error)
  const [from, until] = meta.date_range.map(Date.parse)
  // The second instant is excluded.
  const days = [...new Set([day(from, meta.time_zone), day(until - 1, meta.time_zone)])]
  return { points: data, time: ` · ${days.join(" – ")}` }
}

const unreachable = (url: URL): never => {
  throw new Error(`${url.host} does not answer, or not to pages of ${location.origin}.`)
}

const read = async ({ data, address }: Core, key: string, days: number): Promise<Clicks> => {
  const url = new URL("{{api}}/heatmap", import.meta.url)
  url.searchParams.set("page_url", data.page ? new URL(data.page, location.href).href : address())
  url.searchParams.set("hours", `${24 * days}`)
  if (data.site) url.searchParams.set("site", data.site)
  const headers: { [name: string]: string } = key === "" ? {} : { Authorization: `Bearer ${key}` }
  const init = { headers, credentials: key === "" ? "include" : "omit" } as const
  const answer = await fetch(url, init).catch(() => unreachable(url))
  const { data: points, error } = await answer.json()
  if (!answer.ok) throw new Error(REFUSALS[answer.status] ?? error)
  return { points, time: "" }
}

export default (core: Core): void => {
  core.off = true
  const key = decodeURIComponent(/^#maicivy-heatmap=?(.*)/.exec(location.hash)?.[1] ?? "")
  // A key is nobody else's business: neither the page's scripts' nor whom the address is passed on to.
  history.replaceState(history.state, "", location.href.replace(/#.*/, ""))

  const host = make(document.documentElement, "div", "", {
    position: "absolute",
    left: "0",
    top: "0",
    "z-index": "2147483647",
    "pointer-events": "none",
  })
  host.id = "maicivy-heatmap"
  const root = host.attachShadow({ mode: "open" })
  const layer = make(root, "div", "", { position: "absolute" })
  const bar = make(root, "div", "", {
    ...{
      position: "fixed",
      right: "12px",
      bottom: "12px",
      padding: "8px 12px",
      "border-radius": "6px",
      "pointer-events": "auto",
    },
    ...{ background: "#222", color: "#fff", "max-width": "420px" },
  })
  const text = make(bar, "span", "", { "margin-right": "8px" })
  text.setAttribute("role", "status")
  const isTicket = TICKET.test(key)
  const buttons = (isTicket ? [] : DAYS).map((days) => {
    const button = make(bar, "button", days === 1 ? "24 h" : `${days} d`, {
      margin: "0 2px",
      font: "inherit",
    })
    button.onclick = () => show(days)
    return { days, button }
  })
  make(bar, "button", "Close", { margin: "0 2px", font: "inherit" }).onclick = () => host.remove()

  let points: ReadonlyArray<Point> = []
  const show = async (days: number) => {
    for (const { days: of, button } of buttons) {
      button.setAttribute("aria-pressed", `${of === days}`)
      style(button, { "font-weight": of === days ? "bold" : "normal" })
    }
    text.textContent = "…"
    try {
      const found = isTicket ? await readTicket(key) : await read(core, key, days)
      points = found.points
      const clicks = points.reduce((sum, { count }) => sum + count, 0)
      text.textContent = `${clicks === 0 ? "No clicks on this page" : `Clicks on this page: ${clicks}`}${found.time}`
    } catch (cause) {
      points = []
      text.textContent = cause instanceof Error ? cause.message : `${cause}`
    }
    draw(layer, points)
  }
  // The page is laid out anew: so is what lies over it.
  new ResizeObserver(() => draw(layer, points)).observe(document.documentElement)
  show(1)
}
