import type { Stats } from "../../domain/answers.ts"
import { MAX_EXACT_UNIQUES } from "../../domain/limits.ts"
import type { Period } from "../../domain/period.ts"
import type { Loaded } from "../model/state.ts"
import { PeriodChoice } from "./header.tsx"
import { Panel, PartView, useWording } from "./parts.tsx"
import { useOtherDays } from "./siteZone.tsx"

export interface PeriodPanelProps {
  readonly period: Period
  readonly stats: Loaded<Stats>
  readonly onChoose: (period: Period) => void
  readonly onAgain: () => void
}

export const PeriodPanel = ({ period, stats, onChoose, onAgain }: PeriodPanelProps) => {
  const { t, number, percent } = useWording()
  const otherDays = useOtherDays()
  const estimated = (value: number) => `${value > MAX_EXACT_UNIQUES ? "≈ " : ""}${number(value)}`
  return (
    <Panel
      name="period"
      title={t.figuresOf[period]}
      {...(stats.data !== null && {
        hint: [stats.data.period_key, ...(otherDays === null ? [] : [otherDays])].join(", "),
      })}
      aside={<PeriodChoice period={period} onChoose={onChoose} />}
    >
      <PartView part={stats} onAgain={onAgain}>
        {(data) => (
          <dl class="rows">
            {(
              [
                ["unique_visitors", t.visitors, estimated(data.unique_visitors)],
                ["page_views", t.pageViews, number(data.page_views)],
                ["total_events", t.events, number(data.total_events)],
                ["letters_generated", t.letters, number(data.letters_generated)],
                ["conversion_rate", `${t.conversion}, ${t.conversionHint}`, percent(data.conversion_rate)],
              ] as const
            ).map(([name, label, value]) => (
              <div key={name}>
                <dt>{label}</dt>
                <dd translate={false} data-stat={name}>
                  {value}
                </dd>
              </div>
            ))}
          </dl>
        )}
      </PartView>
    </Panel>
  )
}
