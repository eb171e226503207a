import { useEffect, useRef, useState } from "preact/hooks"
import { ask } from "../model/ask.ts"
import { type AnswerRow, type Question, topQuestion } from "../model/questions.ts"
import { endpointUrl } from "../model/read.ts"
import { failureCode } from "../model/readFailure.ts"
import { shareToken } from "../model/share.ts"
import { Dialogue } from "../panels/dialogue.tsx"
import { PartView, useWording } from "../panels/parts.tsx"
import { useTyped } from "../panels/typed.ts"
import { ClicksButton, RowIcon, useFilterOfRow, useRowName } from "./breakdown.tsx"
import { useFront } from "./context.ts"
import { columnsOf, GOALS, PANELS, PROPERTY, propertyTab, type Tab } from "./tabs.ts"

/** Rows that are read at a time. */
const PAGE = 100

/** The table of the dimension whose details the address asks for. */
export const Details = () => {
  const { view } = useFront()
  const found = PANELS.flatMap(({ tabs }) => tabs).find((tab) => tab.name === view.details && tab !== GOALS)
  const key = view.tabs.get(PROPERTY)
  const tab = found?.name !== "properties" ? found : key === undefined ? undefined : propertyTab(key)
  return tab === undefined ? null : <DetailsDialog key={tab.dimensions[0]} tab={tab} />
}

interface Sorting {
  readonly metric: string
  readonly descending: boolean
}

interface Rows {
  readonly rows: ReadonlyArray<AnswerRow>
  readonly total: number
  readonly loading: boolean
  readonly failure: string | null
}

const NO_ROWS: Rows = { rows: [], total: 0, loading: true, failure: null }

/** Where all rows of a question are downloaded. */
const csvAddress = (question: Question): string => {
  const url = endpointUrl("query.csv")
  for (const [name, value] of Object.entries(question))
    if (name !== "limit") url.searchParams.set(name, JSON.stringify(value))
  // People open it in a spreadsheet.
  url.searchParams.set("bom", "true")
  return url.href
}

/** Rows of a question, page by page: what they are, what reads the next ones, and what tries again. */
const useRows = (question: Question): readonly [rows: Rows, next: () => void, again: () => void] => {
  const [state, set] = useState<Rows & { readonly of: string }>({ ...NO_ROWS, of: "" })
  const key = JSON.stringify(question)
  const reading = useRef<AbortController | null>(null)
  const load = (offset: number) => {
    reading.current?.abort()
    const under = new AbortController()
    reading.current = under
    set((before) => ({ ...before, loading: true }))
    ask({ ...question, limit: PAGE, offset }, under.signal).then(
      ({ results, meta }) => {
        if (under.signal.aborted) return
        set(({ rows }) => ({
          rows: offset === 0 ? results : [...rows, ...results],
          ...{ total: meta.total_rows, loading: false, failure: null, of: key },
        }))
      },
      (failure: unknown) => {
        if (under.signal.aborted) return
        set((before) => ({ ...before, loading: false, failure: failureCode(failure) }))
      },
    )
  }
  useEffect(() => {
    load(0)
    return () => reading.current?.abort()
  }, [key])
  const next = () => {
    if (!state.loading && state.of === key && state.rows.length < state.total) load(state.rows.length)
  }
  const again = () => load(state.of === key ? state.rows.length : 0)
  return [state, next, again]
}

const DetailsDialog = ({ tab }: { readonly tab: Tab }) => {
  const { site, view, show } = useFront()
  const { t, number } = useWording()
  const [text, setText] = useState("")
  const [sorting, sort] = useState<Sorting>({ metric: tab.metric, descending: true })
  const search = useTyped(text)
  const columns = columnsOf(tab)
  const question: Question = {
    ...topQuestion(site, view, tab.dimensions, {
      ...{ metrics: columns, limit: PAGE },
      only: [
        ...(tab.only ?? []),
        ...(search === ""
          ? []
          : [{ operator: "contains", dimension: tab.dimensions[0], values: [search] } as const]),
      ],
    }),
    order_by: [
      [sorting.metric, sorting.descending ? "desc" : "asc"],
      [tab.dimensions[0], "asc"],
    ],
  }
  const [rows, next, again] = useRows(question)
  const close = () => show({ details: null })
  const tools = (
    <>
      <p class="hint" role="status" translate={false}>
        {t.front.rows(rows.total, number(rows.total))}
      </p>
      <label class="search">
        <span class="unseen">{t.front.search}</span>
        <input
          type="search"
          value={text}
          placeholder={t.front.search}
          autocomplete="off"
          spellcheck={false}
          onInput={(e) => setText(e.currentTarget.value)}
        />
      </label>
      {shareToken() === null && rows.total > 0 && (
        <a class="quiet" href={csvAddress(question)} download={`${tab.name}.csv`}>
          {t.front.download}
        </a>
      )}
    </>
  )
  return (
    <Dialogue name="details" title={t.dimensions[tab.name]} tools={tools} onClose={close}>
      {rows.failure !== null && (
        <PartView part={{ ...rows, data: null }} onAgain={again}>
          {() => null}
        </PartView>
      )}
      <DetailsTable {...{ tab, columns, rows, sorting, sort, next }} />
    </Dialogue>
  )
}

interface DetailsTableProps {
  readonly tab: Tab
  readonly columns: ReadonlyArray<string>
  readonly rows: Rows
  readonly sorting: Sorting
  readonly sort: (sorting: Sorting) => void
  readonly next: () => void
}

const DetailsTable = ({ tab, columns, rows, sorting, sort, next }: DetailsTableProps) => {
  const { t, measure, metricName } = useWording()
  const filter = useFilterOfRow(tab)
  const nameOf = useRowName(tab)
  if (rows.rows.length === 0 && rows.failure !== null) return null
  if (!rows.loading && rows.rows.length === 0) return <p class="empty tall">{t.front.nothingFound}</p>
  return (
    <section class="scroller" aria-label={t.dimensions[tab.name]}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t.dimensions[tab.name]}</th>
            {columns.map((metric) => (
              <th
                key={metric}
                scope="col"
                aria-sort={
                  metric !== sorting.metric ? "none" : sorting.descending ? "descending" : "ascending"
                }
              >
                <button
                  type="button"
                  data-sort={metric}
                  onClick={() =>
                    sort({ metric, descending: metric !== sorting.metric || !sorting.descending })
                  }
                >
                  {metricName(metric)}
                  <span aria-hidden="true">
                    {metric !== sorting.metric ? "" : sorting.descending ? " ↓" : " ↑"}
                  </span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.rows.map((row) => (
            <tr key={JSON.stringify(row.dimensions)} data-row={row.dimensions[0] ?? ""}>
              <th scope="row" translate={false}>
                <ClicksButton tab={tab} row={row} />
                <button type="button" title={nameOf(row)} onClick={() => filter(row, "is")}>
                  <RowIcon tab={tab} row={row} />
                  <bdi>{nameOf(row)}</bdi>
                </button>
              </th>
              {columns.map((metric, i) => (
                <td key={metric} translate={false} data-count={row.metrics[i]}>
                  {measure(metric, row.metrics[i] ?? null)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <End key={rows.rows.length} shown={rows.rows.length < rows.total} next={next} />
    </section>
  )
}

/** The end of the rows: the next ones are read when it comes into view, or when asked for. */
const End = ({ shown, next }: { readonly shown: boolean; readonly next: () => void }) => {
  const { t } = useWording()
  const place = useRef<HTMLButtonElement>(null)
  const latest = useRef(next)
  latest.current = next
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const observer = new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) latest.current()
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [shown])
  if (!shown) return null
  return (
    <button type="button" class="quiet older" ref={place} onClick={() => next()}>
      {t.front.more}
    </button>
  )
}
