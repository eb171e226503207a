import type { Letters } from "../../domain/answers.ts"
import type { Period } from "../../domain/period.ts"
import type { Loaded } from "../model/state.ts"
import { Panel, PartView, useWording } from "./parts.tsx"

export interface LettersPanelProps {
  readonly period: Period
  readonly letters: Loaded<Letters>
  readonly onAgain: () => void
}

/** The period's letters by type and by day. */
export const LettersPanel = ({ period, letters, onAgain }: LettersPanelProps) => {
  const { t } = useWording()
  return (
    <Panel name="letters" title={t.letterTypes} hint={t.figuresOf[period]}>
      <PartView part={letters} onAgain={onAgain}>
        {(data) => <LettersView data={data} />}
      </PartView>
    </Panel>
  )
}

const LettersView = ({ data }: { readonly data: Letters }) => {
  const { t, number, day, weekday } = useWording()
  const other = data.total - data.motivation - data.anti_motivation
  const types = [
    ["motivation", t.motivation, data.motivation],
    ["anti", t.antiMotivation, data.anti_motivation],
    ...(other > 0 ? ([["other", t.otherLetters, other]] as const) : []),
  ] as const
  const most = Math.max(1, ...data.history.map(({ count }) => count))
  return (
    <>
      {data.total === 0 ? (
        <p class="empty">{t.lettersEmpty[data.period]}</p>
      ) : (
        <div class="split" aria-hidden="true">
          {types.map(
            ([name, , count]) => count > 0 && <i key={name} class={name} style={{ flexGrow: count }} />,
          )}
        </div>
      )}
      <dl class="rows">
        {types.map(([name, label, count]) => (
          <div key={name}>
            <dt>
              <i class={`key ${name}`} aria-hidden="true" />
              {label}
            </dt>
            <dd translate={false} data-letters={name}>
              {number(count)}
            </dd>
          </div>
        ))}
      </dl>
      {data.history.length > 1 && (
        <>
          <h3>{t.perDay}</h3>
          <ol class="columns" data-days={data.history.length}>
            {data.history.map(({ date, count }) => (
              <li key={date} title={`${day(date)}: ${number(count)}`}>
                <span class="value" aria-hidden="true">
                  {count > 0 && number(count)}
                </span>
                <i
                  class={count === 0 ? "none" : ""}
                  style={{ height: `${(count / most) * 100}%` }}
                  aria-hidden="true"
                />
                <span class="unseen">
                  {day(date)}: {number(count)}
                </span>
                <span class="tick" aria-hidden="true">
                  {data.period === "week" ? weekday(date) : Number(date.slice(8))}
                </span>
              </li>
            ))}
          </ol>
        </>
      )}
    </>
  )
}
