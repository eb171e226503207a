import { useId } from "preact/hooks"
import { shownName } from "../model/names.ts"
import { type AnswerRow, topQuestion } from "../model/questions.ts"
import type { Operator } from "../model/view.ts"
import { useAnswer } from "../panels/answers.ts"
import { Country, Panel, PartView, useWording } from "../panels/parts.tsx"
import { useFilter, useFront } from "./context.ts"
import { Goals } from "./goals.tsx"
import { usePropertyKeys } from "./properties.ts"
import { GOALS, MAP, PROPERTY, propertyTab, type Tab, type TabbedPanel } from "./tabs.ts"
import { WorldMap } from "./worldMap.tsx"

/** Rows of a panel. */
const ROWS = 9
/** More countries than there are. */
const COUNTRIES = 300

const NO_ROWS = {
  data: { results: [], meta: { total_rows: 0 }, query: { time_zone: "", dimensions: [] } },
  ...{ loading: false, failure: null },
}

/** The values that have most of what a panel is about, by the dimension of its open tab. */
export const BreakdownPanel = ({ name, tabs, optional }: TabbedPanel) => {
  const { site, view, show } = useFront()
  const { t } = useWording()
  const id = useId()
  const chosen = tabs.find((each) => each.name === view.tabs.get(name)) ?? tabs[0]
  const keys = usePropertyKeys(chosen.name === "properties")
  const key = view.tabs.get(PROPERTY) ?? keys?.[0] ?? null
  const open = chosen.name === "properties" && key !== null ? propertyTab(key) : chosen
  const filter = useFilterOfRow(open)
  const { part, stale, again } = useAnswer(
    open === GOALS || (open.name === "properties" && key === null)
      ? null
      : topQuestion(site, view, open.dimensions, {
          metrics: open.metric === "visitors" ? ["visitors", "percentage"] : [open.metric],
          limit: open === MAP ? COUNTRIES : ROWS,
          ...(open.only !== undefined && { only: open.only }),
        }),
  )
  // Events without any property have no rows of one.
  const isNone = open.name === "properties" && key === null && keys !== null
  const rows = part.data?.results ?? []
  if (optional && rows.length === 0 && chosen === tabs[0]) return null
  const total = part.data?.meta.total_rows ?? 0
  return (
    <Panel
      name={`breakdown of-${name}`}
      id={name}
      title={t.front.panels[name]}
      {...(tabs.length > 1 && {
        aside: (
          <TabList
            {...{ id, tabs, open: chosen }}
            label={t.front.panels[name]}
            onOpen={(tab) => show({ tabs: new Map([...view.tabs, [name, tab.name]]) }, "replace")}
          />
        ),
      })}
    >
      <div
        class={`rows-of ${stale ? "old" : ""}`}
        {...(tabs.length > 1 && {
          role: "tabpanel",
          id: `${id}-panel`,
          "aria-labelledby": `${id}-${open.name}`,
        })}
      >
        {chosen.name === "properties" && key !== null && <KeyChoice keys={keys ?? []} chosen={key} />}
        {open === GOALS ? (
          <Goals />
        ) : (
          <PartView part={isNone ? NO_ROWS : part} onAgain={again} size="tall">
            {() =>
              rows.length === 0 ? (
                <p class="empty">{t.front.nothing}</p>
              ) : open === MAP ? (
                <WorldMap tab={open} rows={rows} onChoose={filter} />
              ) : (
                <Rows tab={open} rows={rows} />
              )
            }
          </PartView>
        )}
      </div>
      {rows.length > 0 && <More name={open === MAP ? "country" : open.name} property={key} total={total} />}
    </Panel>
  )
}

interface MoreProps {
  readonly name: Tab["name"]
  /** The property that is open, where there is one. */
  readonly property: string | null
  readonly total: number
}

/** Opens the table of all rows. */
const More = ({ name, property, total }: MoreProps) => {
  const { view, show } = useFront()
  const { t, number } = useWording()
  return (
    <button
      type="button"
      class="more"
      data-details={name}
      onClick={() =>
        show({
          details: name,
          ...(property !== null && { tabs: new Map([...view.tabs, [PROPERTY, property]]) }),
        })
      }
    >
      {t.front.details} <span translate={false}>{number(total)}</span>
    </button>
  )
}

interface KeyChoiceProps {
  readonly keys: ReadonlyArray<string>
  readonly chosen: string
}

/** Which property of the events is broken down. */
const KeyChoice = ({ keys, chosen }: KeyChoiceProps) => {
  const { view, show } = useFront()
  const { t } = useWording()
  return (
    <label class="key-choice">
      <span class="unseen">{t.front.property}</span>
      <select
        value={chosen}
        onChange={(e) =>
          show({ tabs: new Map([...view.tabs, [PROPERTY, e.currentTarget.value]]) }, "replace")
        }
      >
        {[...new Set([...(chosen === "" ? [] : [chosen]), ...keys])].map((each) => (
          <option key={each} value={each}>
            {shownName(each)}
          </option>
        ))}
      </select>
    </label>
  )
}

interface TabListProps {
  readonly id: string
  readonly label: string
  readonly tabs: ReadonlyArray<Tab>
  readonly open: Tab
  readonly onOpen: (tab: Tab) => void
}

/** Tabs, of which the open one is reached by Tab and the others by the arrow keys. */
const TabList = ({ id, label, tabs, open, onOpen }: TabListProps) => {
  const { t } = useWording()
  const move = (event: KeyboardEvent, by: number) => {
    const next = tabs.at((tabs.indexOf(open) + by) % tabs.length)
    if (next === undefined) return
    event.preventDefault()
    onOpen(next)
    document.getElementById(`${id}-${next.name}`)?.focus()
  }
  return (
    <div class="tabs" role="tablist" aria-label={label}>
      {tabs.map((each) => (
        <button
          key={each.name}
          type="button"
          role="tab"
          id={`${id}-${each.name}`}
          aria-selected={each === open}
          aria-controls={`${id}-panel`}
          tabIndex={each === open ? 0 : -1}
          data-tab={each.name}
          onClick={() => onOpen(each)}
          onKeyDown={(e) => {
            if (e.key === "ArrowRight") move(e, 1)
            else if (e.key === "ArrowLeft") move(e, -1)
          }}
        >
          {t.dimensions[each.name]}
        </button>
      ))}
    </div>
  )
}

const Rows = ({ tab, rows }: { readonly tab: Tab; readonly rows: ReadonlyArray<AnswerRow> }) => {
  const { t } = useWording()
  const most = Math.max(1, ...rows.map(({ metrics }) => metrics[0] ?? 0))
  return (
    <ol class="bars" aria-label={t.dimensions[tab.name]}>
      {rows.map((row) => (
        <Bar key={JSON.stringify(row.dimensions)} tab={tab} row={row} most={most} />
      ))}
    </ol>
  )
}

interface BarProps {
  readonly tab: Tab
  readonly row: AnswerRow
  readonly most: number
}

const Bar = ({ tab, row, most }: BarProps) => {
  const { t, measure } = useWording()
  const filter = useFilterOfRow(tab)
  const name = useRowName(tab)(row)
  const [count = 0, share = 0] = row.metrics
  return (
    <li data-row={row.dimensions[0] ?? ""}>
      <button type="button" class="bar" title={name} onClick={() => filter(row, "is")}>
        <i aria-hidden="true" style={{ width: `${((count ?? 0) / most) * 100}%` }} />
        <span class="name" translate={false}>
          <RowIcon tab={tab} row={row} />
          <bdi>{name}</bdi>
        </span>
        <span class="count" translate={false}>
          {tab.metric === "visitors" && <span class="share">{measure("percentage", share)}</span>}
          <b data-count={count}>{measure(tab.metric, count)}</b>
        </span>
      </button>
      <button
        type="button"
        class="except"
        title={t.front.exceptThis(name)}
        aria-label={t.front.exceptThis(name)}
        onClick={() => filter(row, "is_not")}
      >
        <span aria-hidden="true">≠</span>
      </button>
      <ClicksButton tab={tab} row={row} among="except" />
    </li>
  )
}

interface ClicksButtonProps {
  readonly tab: Tab
  readonly row: AnswerRow
  /** The kind of button that it stands beside. */
  readonly among?: string
}

/** Opens the clicks on the page that a row stands for. */
export const ClicksButton = ({ tab, row, among = "" }: ClicksButtonProps) => {
  const { show } = useFront()
  const { t } = useWording()
  const [page = null] = row.dimensions
  if (tab.name !== "page" || page === null) return null
  return (
    <button
      type="button"
      class={`clicks ${among}`}
      title={t.front.clicks.of(page)}
      aria-label={t.front.clicks.of(page)}
      onClick={() => show({ clicks: page, details: null })}
    >
      <svg viewBox="0 0 12 12" aria-hidden="true">
        <path d="M2 1l8 4.2-3.6.9L4.7 9.7z" />
      </svg>
    </button>
  )
}

/** The country of a row of places. */
export const RowIcon = ({ tab, row }: { readonly tab: Tab; readonly row: AnswerRow }) => (
  <Country code={row.dimensions[tab.dimensions.indexOf("country")]} />
)

/** What rows of a tab are called. */
export const useRowName = (tab: Tab): ((row: AnswerRow) => string) => {
  const { valueName } = useWording()
  return ({ dimensions }) =>
    tab.dimensions
      .map((dimension, i) => valueName(dimension, dimensions[i] ?? null))
      .slice(0, dimensions[0] === null ? 1 : undefined)
      .join(", ")
}

/** Filters everything by what a row stands for. */
export const useFilterOfRow = (tab: Tab): ((row: AnswerRow, operator: Operator) => void) => {
  const filter = useFilter()
  return ({ dimensions }, operator) =>
    filter({ operator, dimension: tab.dimensions[0], values: [dimensions[0] ?? null] })
}
