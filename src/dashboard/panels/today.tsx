import type { DayCourse } from "../../domain/answers.ts"
import { MAX_EXACT_UNIQUES } from "../../domain/limits.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import type { State } from "../model/state.ts"
import { useWording } from "./parts.tsx"
import { useOtherDays } from "./siteZone.tsx"

/** Yesterday's running total at the same time of day as `now` (unix milliseconds). */
const pastOf = (list: ReadonlyArray<number>, yesterday: DayCourse, now: number): number => {
  const minute = Math.floor((now - Date.parse(yesterday.until)) / MINUTE_MS)
  return list[Math.max(0, Math.min(list.length - 1, minute))] ?? 0
}

/** Whether a figure may be an estimate: unique visitors are exact while a partition has few of them. */
const isEstimate = (name: string, value: number | undefined): boolean =>
  name === "unique_today" && value !== undefined && value > MAX_EXACT_UNIQUES

/** Today's figures, each beside yesterday's at the same time of day. */
export const Today = ({ state }: { readonly state: State }) => {
  const { t, number, percent, shortClock } = useWording()
  const otherDays = useOtherDays()
  const { realtime, yesterday } = state
  const now = realtime === null ? null : realtime.timestamp * 1000
  const before = (list: (day: DayCourse) => ReadonlyArray<number>): number | null =>
    yesterday.data === null || now === null ? null : pastOf(list(yesterday.data), yesterday.data, now)

  const visitors = before((day) => day.unique_visitors)
  const letters = before((day) => day.letters)
  const rate = (of: number, by: number) => (by === 0 ? 0 : of / by)
  const figures = [
    { name: "unique_today", label: t.visitors, value: realtime?.unique_today, past: visitors, show: number },
    {
      name: "total_events",
      label: t.events,
      value: realtime?.total_events,
      past: before((day) => day.total_events),
      show: number,
    },
    { name: "letters_today", label: t.letters, value: realtime?.letters_today, past: letters, show: number },
    {
      name: "conversion",
      label: t.conversion,
      value: realtime === null ? undefined : rate(realtime.letters_today, realtime.unique_today),
      past: visitors === null || letters === null ? null : rate(letters, visitors),
      show: percent,
    },
  ]
  return (
    <section class="today" aria-label={t.today}>
      <dl>
        {figures.map(({ name, label, value, past, show }) => (
          <div key={name} class="panel">
            <dt>{label}</dt>
            <dd class="measure">
              <span
                class="figure"
                translate={false}
                data-figure={name}
                {...(isEstimate(name, value) && { title: t.connection.estimate })}
              >
                {isEstimate(name, value) && "≈ "}
                {value === undefined ? "–" : show(value)}
              </span>
              {past !== null && value !== undefined && <Change from={past} to={value} />}
            </dd>
            <dd class="past">
              {past === null || now === null || value === undefined ? (
                t.yesterdayNone
              ) : (
                <>
                  <span translate={false} data-past={name}>
                    {show(past)}
                  </span>{" "}
                  {t.yesterdayAt(shortClock(now))}
                </>
              )}
            </dd>
          </div>
        ))}
      </dl>
      {otherDays !== null && <p class="hint">{otherDays}</p>}
    </section>
  )
}

const Change = ({ from, to }: { readonly from: number; readonly to: number }) => {
  const { change, t } = useWording()
  if (from === 0) return null
  const share = to / from - 1
  return (
    <span translate={false} class={`change ${share > 0 ? "more" : share < 0 ? "less" : ""}`} title={t.versus}>
      {change(share)}
    </span>
  )
}
