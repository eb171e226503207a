import { useMemo, useState } from "preact/hooks"
import type { AnswerRow } from "../model/questions.ts"
import { readFile } from "../model/read.ts"
import type { Operator } from "../model/view.ts"
import { useLoaded } from "../panels/loaded.ts"
import { PartView, useWording } from "../panels/parts.tsx"
import { isWorld, type World, worldOf } from "./atlas.ts"
import type { Tab } from "./tabs.ts"

/** A file of its own, which only who opens the map loads; made by `npm run build:map`. */
const ADDRESS = new URL("./world.txt", import.meta.url)
// Where the address of the page has a name and a password in it, so has this one, which cannot be fetched as such.
ADDRESS.username = ""
ADDRESS.password = ""

/** Loads the shapes. Not as a module: one that could not be loaded is not asked for again until the page is. */
const readWorld = async (signal: AbortSignal): Promise<World> =>
  worldOf(await readFile(ADDRESS, isWorld, signal))

export interface WorldMapProps {
  readonly tab: Tab
  /** Countries with their visitors and their share of all, most first. */
  readonly rows: ReadonlyArray<AnswerRow>
  readonly onChoose: (row: AnswerRow, operator: Operator) => void
}

/** Visitors by country: read with the pointer or the arrow keys, and in a table by who cannot see it. */
export const WorldMap = ({ tab, rows, onChoose }: WorldMapProps) => {
  const { t } = useWording()
  // Loaded when somebody opens the map.
  const [world, again] = useLoaded("", readWorld)
  return (
    <>
      <PartView part={world} onAgain={again} size="tall">
        {(shapes) => <Picture {...{ rows, onChoose }} world={shapes} />}
      </PartView>
      <p class="hint">{t.front.mapHint}</p>
      <Table {...{ tab, rows }} />
    </>
  )
}

const countOf = ({ metrics }: AnswerRow): number => metrics[0] ?? 0

const useText = (): ((row: AnswerRow) => string) => {
  const { t, measure, valueName } = useWording()
  return (row) => {
    const [count = null, share = null] = row.metrics
    const figure = t.front.visitors(count ?? 0, measure("visitors", count))
    return `${valueName("country", row.dimensions[0] ?? null)}: ${figure} · ${measure("percentage", share)}`
  }
}

const Picture = ({ world, rows, onChoose }: Omit<WorldMapProps, "tab"> & { readonly world: World }) => {
  const { t } = useWording()
  const textOf = useText()
  const [at, setAt] = useState<string | null>(null)
  const byCode = useMemo(() => new Map(rows.map((row) => [row.dimensions[0] ?? "", row])), [rows])
  // Those that the arrow keys go through: they are on the map, or too small to be.
  const known = rows.filter(({ dimensions }) => dimensions[0] !== null)
  const most = Math.max(1, ...known.map(countOf))
  const shown = at === null ? undefined : byCode.get(at)
  const current = Math.max(0, shown === undefined ? 0 : known.indexOf(shown))
  const row = known[current]
  const codeAt = (target: EventTarget | null): string | null =>
    target instanceof SVGElement ? (target.dataset.country ?? null) : null
  return (
    // A slider is what the arrow keys read value by value.
    <div
      class="world"
      role="slider"
      tabIndex={0}
      aria-label={t.front.map}
      aria-description={t.front.mapKeys}
      aria-valuemin={0}
      aria-valuemax={Math.max(0, known.length - 1)}
      aria-valuenow={current}
      aria-valuetext={row === undefined ? "" : textOf(row)}
      // What is read when the keyboard comes to it is shown, too.
      onFocus={({ currentTarget }) => {
        if (currentTarget.matches(":focus-visible")) setAt(row?.dimensions[0] ?? null)
      }}
      onPointerMove={({ target }) => setAt(codeAt(target))}
      onPointerLeave={() => setAt(null)}
      onBlur={() => setAt(null)}
      onClick={({ target }) => {
        const clicked = byCode.get(codeAt(target) ?? "")
        if (clicked !== undefined) onChoose(clicked, "is")
      }}
      onKeyDown={(e) => {
        const from = shown === undefined ? -1 : current
        const moves = { ArrowRight: from + 1, ArrowLeft: from - 1, Home: 0, End: known.length - 1 }
        const to = Object.entries(moves).find(([key]) => key === e.key)?.[1]
        const next = to === undefined ? undefined : known[Math.max(0, Math.min(known.length - 1, to))]
        if (next !== undefined) setAt(next.dimensions[0] ?? null)
        else if (e.key === "Enter" && shown !== undefined) onChoose(shown, "is")
        else if (e.key === "Escape" && at !== null) setAt(null)
        else return
        e.preventDefault()
      }}
    >
      <svg viewBox={world.viewBox} aria-hidden="true">
        {world.countries.map(({ code, path }) => (
          <Shape key={path} {...{ code, path, most }} row={byCode.get(code)} isShown={code === at} />
        ))}
      </svg>
      <p class="world-readout" aria-hidden="true" translate={false}>
        {shown === undefined ? "\u00a0" : textOf(shown)}
      </p>
    </div>
  )
}

interface ShapeProps {
  readonly code: string
  readonly path: string
  readonly row: AnswerRow | undefined
  readonly most: number
  readonly isShown: boolean
}

const Shape = ({ code, path, row, most, isShown }: ShapeProps) => {
  const count = row === undefined ? 0 : countOf(row)
  // By the root, so that one country with most of the visitors leaves the others their shades; the least is seen, too.
  const share = count === 0 ? 0 : 0.15 + 0.85 * Math.sqrt(count / most)
  return (
    <path
      d={path}
      data-country={code}
      data-visitors={count}
      class={`${count > 0 ? "some" : ""} ${isShown ? "at" : ""}`}
      style={{ "--share": `${(100 * share).toFixed(1)}%` }}
    />
  )
}

/** What the map shows, in words. */
const Table = ({ tab, rows }: Pick<WorldMapProps, "tab" | "rows">) => {
  const { t, measure, valueName } = useWording()
  return (
    <div class="unseen">
      <table>
        <caption>{t.front.map}</caption>
        <thead>
          <tr>
            <th scope="col">{t.dimensions.country}</th>
            <th scope="col">{t.front.metrics.visitors}</th>
            <th scope="col">{t.front.metrics.percentage}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ dimensions: [code = null], metrics: [count = null, share = null] }) => (
            <tr key={code ?? ""} data-row={code ?? ""}>
              <th scope="row" translate={false}>
                {valueName(tab.dimensions[0], code)}
              </th>
              <td translate={false} data-count={count}>
                {measure("visitors", count)}
              </td>
              <td translate={false}>{measure("percentage", share)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
