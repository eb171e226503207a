import { useEffect, useState } from "preact/hooks"
import { ask } from "../model/ask.ts"
import {
  linesQuestion,
  PRESENT_BY,
  PRESENT_MINUTES,
  type Present,
  type PresentBy,
  presentOf,
  presentQuestion,
  usualQuestions,
} from "../model/presence.ts"
import type { QuestionAnswer } from "../model/questions.ts"
import { useAnswer } from "./answers.ts"
import { Country, Panel, PartView, useWording } from "./parts.tsx"

export interface BoardProps {
  readonly site: string | null
  /** The server's time, unix milliseconds. */
  readonly now: () => number
}

/** Readers by page, source, country and device: now, by minute, and as usual. */
export const Board = ({ site, now }: BoardProps) => (
  <div class="board">
    {PRESENT_BY.map((by) => (
      <PresentPanel key={by} {...{ by, site, now }} />
    ))}
  </div>
)

/** What is usual does not change while somebody looks: it is asked once, and again after ten minutes. */
const useUsual = ({ site, now }: BoardProps, by: PresentBy): ReadonlyArray<QuestionAnswer | null> => {
  const [answers, set] = useState<ReadonlyArray<QuestionAnswer | null>>([])
  const questions = usualQuestions(site, by, now())
  const key = JSON.stringify(questions)
  useEffect(() => {
    const reading = new AbortController()
    const asked = questions.map((question) =>
      // A week that cannot be told is left out.
      ask(question, reading.signal).catch(() => null),
    )
    void Promise.all(asked).then((all) => {
      if (!reading.signal.aborted) set(all)
    })
    return () => reading.abort()
  }, [key])
  return answers
}

const PresentPanel = ({ by, site, now }: BoardProps & { readonly by: PresentBy }) => {
  const { t } = useWording()
  const { part, again } = useAnswer(presentQuestion(site, by))
  const values = (part.data?.results ?? []).map(({ dimensions: [value = null] }) => value)
  // In an order of their own, so that a row that overtakes another one asks nothing new.
  const sorted = values.toSorted((a, b) => ((a ?? "") < (b ?? "") ? -1 : 1))
  const lines = useAnswer(sorted.length === 0 ? null : linesQuestion(site, by, sorted))
  const usual = useUsual({ site, now }, by)
  return (
    <Panel name={`present by-${by}`} id={`present-${by}`} title={t.board.by[by]} hint={t.board.window}>
      <PartView part={part} onAgain={again} size="tall">
        {(top) =>
          top.results.length === 0 ? (
            <p class="empty">{t.board.nobody}</p>
          ) : (
            <ol class="present-rows">
              {presentOf(top, lines.part.data, usual, now()).map((row) => (
                <PresentRow key={JSON.stringify(row.value)} by={by} row={row} />
              ))}
            </ol>
          )
        }
      </PartView>
    </Panel>
  )
}

const PresentRow = ({ by, row }: { readonly by: PresentBy; readonly row: Present }) => {
  const { t, number, valueName } = useWording()
  const { value, visitors, line, usual } = row
  const usually = usual === null ? null : number(Math.round(usual))
  return (
    <li data-present={value ?? ""}>
      <span class="name" translate={false} title={valueName(by, value)}>
        {by === "country" && <Country code={value} />}
        <bdi>{valueName(by, value)}</bdi>
      </span>
      <Line line={line} />
      <b class="count" translate={false} data-count={visitors}>
        {number(visitors)}
      </b>
      <span class="usual" translate={false}>
        {usually === null ? "" : t.board.usually(usually)}
      </span>
    </li>
  )
}

/** A line by minute, without an axis. */
const Line = ({ line }: { readonly line: ReadonlyArray<number> | null }) => {
  const most = Math.max(1, ...(line ?? []))
  const points = line?.map((visitors, i) => `${i},${(9 - (8 * visitors) / most).toFixed(2)}`).join(" ")
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${PRESENT_MINUTES - 1} 10`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {points !== undefined && <polyline points={points} vector-effect="non-scaling-stroke" />}
    </svg>
  )
}
