/** The cards with the range's figures, and the course of one of them. */

import { useEffect } from "preact/hooks"
import { courseQuestion, goalQuestion, intervalOf, intervalsOf } from "../model/questions.ts"
import { CARDS, type Card } from "../model/view.ts"
import { type Answered, useAnswer } from "../panels/answers.ts"
import { PartView, useWording } from "../panels/parts.tsx"
import { CourseChart } from "./chart.tsx"
import { useFront } from "./context.ts"
import { courseOf } from "./course.ts"
import { useGoals } from "./goals.tsx"

/** Figures that mean something without any visit. */
const COUNTS: ReadonlySet<string> = new Set(["visitors", "visits", "page_views"])
/** Figures of which more is worse. */
const WORSE: ReadonlySet<string> = new Set(["bounce_rate"])
/** Figures that are percentages: they change by points. */
const POINTS: ReadonlySet<string> = new Set(["bounce_rate"])

export interface FiguresPanelProps {
  /** The figures of the cards. */
  readonly totals: Answered
  /** Hears in which zone the server answers. */
  readonly onZone: (zone: string) => void
  /** Whether more than the cards is to be asked for. */
  readonly whole: boolean
}

export const FiguresPanel = ({ totals, onZone, whole }: FiguresPanelProps) => {
  const { site, view, show, now } = useFront()
  const { t } = useWording()
  const interval = intervalOf(view)
  const answered = totals.part.data?.query.time_zone
  useEffect(() => {
    if (answered !== undefined) onZone(answered)
  }, [answered, onZone])
  const course = useAnswer(courseQuestion(site, view, interval))
  const row = totals.part.data?.results[0]
  const hadVisits = (row?.comparison?.metrics[CARDS.indexOf("visits")] ?? 0) > 0
  return (
    <section class={`panel figures ${totals.stale ? "old" : ""}`} aria-labelledby="figures-title">
      <h2 id="figures-title" class="unseen">
        {t.front.figures}
      </h2>
      {totals.part.failure !== null && (
        <PartView part={{ ...totals.part, data: null }} onAgain={totals.again}>
          {() => null}
        </PartView>
      )}
      <div class="cards">
        {CARDS.map((card, at) => (
          <FigureCard
            key={card}
            card={card}
            label={t.front.metrics[card]}
            value={row?.metrics[at]}
            before={hadVisits || COUNTS.has(card) ? row?.comparison?.metrics[at] : undefined}
            plotted={card === view.metric && view.goal === null}
            onPlot={() => show({ metric: card, goal: null }, "replace")}
          />
        ))}
      </div>
      {whole && <GoalCards />}
      <div class={`course ${course.stale ? "old" : ""}`}>
        {intervalsOf(view.range).length > 1 && (
          <label class="intervals">
            <span class="unseen">{t.front.interval}</span>
            <select
              value={interval}
              onChange={(e) => {
                const chosen = intervalsOf(view.range).find((each) => each === e.currentTarget.value)
                show({ interval: chosen ?? null }, "replace")
              }}
            >
              {intervalsOf(view.range).map((each) => (
                <option key={each} value={each}>
                  {t.front.intervals[each]}
                </option>
              ))}
            </select>
          </label>
        )}
        <PartView part={course.part} onAgain={course.again} size="tall">
          {(answer) => (
            <CourseChart
              course={courseOf(answer, view.goal === null ? view.metric : "visitors", now())}
              onOpen={interval === "day" ? (day) => show({ range: [day, day], interval: null }) : undefined}
            />
          )}
        </PartView>
      </div>
    </section>
  )
}

/** Goals that have a card; the others are in their tab. */
const MAX_GOAL_CARDS = 6

const GoalCards = () => {
  const [names] = useGoals()
  const shown = (names.data ?? []).slice(0, MAX_GOAL_CARDS)
  return shown.length === 0 ? null : (
    <div class="cards of-goals">
      {shown.map((name) => (
        <GoalCard key={name} name={name} />
      ))}
    </div>
  )
}

const GoalCard = ({ name }: { readonly name: string }) => {
  const { site, view, show } = useFront()
  const [row] = useAnswer(goalQuestion(site, view, name)).part.data?.results ?? []
  return (
    <FigureCard
      card="visitors"
      goal={name}
      label={name}
      value={row?.metrics[0]}
      before={row?.comparison?.metrics[0]}
      plotted={name === view.goal}
      onPlot={() => show({ goal: name }, "replace")}
    />
  )
}

interface FigureCardProps {
  /** What the figure is. */
  readonly card: Card
  /** The goal that it is of, where it is of one. */
  readonly goal?: string
  readonly label: string
  readonly value: number | null | undefined
  readonly before: number | null | undefined
  readonly plotted: boolean
  readonly onPlot: () => void
}

const FigureCard = ({ card, goal, label, value, before, plotted, onPlot }: FigureCardProps) => {
  const { view } = useFront()
  const { t, measure } = useWording()
  const text = value === undefined ? "–" : measure(card, value)
  return (
    <button
      type="button"
      class="card"
      aria-pressed={plotted}
      {...(goal === undefined ? { "data-card": card } : { "data-goal-card": goal })}
      onClick={onPlot}
    >
      <span class="label" title={goal} translate={goal === undefined}>
        <bdi>{label}</bdi>
      </span>
      <span class="measure">
        <span class="figure" translate={false} data-value={value}>
          {text}
        </span>
        {typeof value === "number" && typeof before === "number" && (
          <Change card={card} from={before} to={value} />
        )}
      </span>
      {typeof before === "number" && (
        <span class="past" title={t.front.before[view.compare]} translate={false} data-before={before}>
          {t.front.against(measure(card, before))}
        </span>
      )}
    </button>
  )
}

interface ChangeProps {
  readonly card: Card
  readonly from: number
  readonly to: number
}

const Change = ({ card, from, to }: ChangeProps) => {
  const { change, points } = useWording()
  if (!POINTS.has(card) && from === 0) return null
  const by = POINTS.has(card) ? to - from : to / from - 1
  const better = WORSE.has(card) ? by < 0 : by > 0
  return (
    <span class={`change ${by === 0 ? "" : better ? "more" : "less"}`} translate={false}>
      {POINTS.has(card) ? points(by) : change(by)}
    </span>
  )
}
