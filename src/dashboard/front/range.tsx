import { useMemo, useState } from "preact/hooks"
import { movedRange } from "../model/questions.ts"
import { COMPARES, RANGES, rangeOf, type View } from "../model/view.ts"
import { timeZones } from "../model/zones.ts"
import { Choice, useWording } from "../panels/parts.tsx"
import { useFront } from "./context.ts"
import { RANGE_KEYS } from "./keys.ts"
import { Menu } from "./menu.tsx"

/** The range that is shown, by name; opens the choice of another, of what it is compared with, and of the time zone. */
export const RangeMenu = ({ siteZone }: { readonly siteZone: string | null }) => {
  const { view, show } = useFront()
  const wording = useWording()
  const { t, date } = wording
  const { range } = view
  const label =
    typeof range === "string"
      ? t.front.ranges[range]
      : range[0] === range[1]
        ? date(range[0])
        : `${date(range[0])} – ${date(range[1])}`
  return (
    <div class="range">
      {typeof range !== "string" && (
        <button
          type="button"
          class="pill"
          aria-label={t.front.earlier}
          onClick={() => show({ range: movedRange(range, -1) })}
        >
          ‹
        </button>
      )}
      <Menu name="range" title={t.front.range} label={<span data-range>{label}</span>}>
        {(close) => <RangeBox siteZone={siteZone} onDone={close} />}
      </Menu>
      {typeof range !== "string" && (
        <button
          type="button"
          class="pill"
          aria-label={t.front.later}
          onClick={() => show({ range: movedRange(range, 1) })}
        >
          ›
        </button>
      )}
    </div>
  )
}

interface RangeBoxProps {
  readonly siteZone: string | null
  readonly onDone: () => void
}

const RangeBox = ({ siteZone, onDone }: RangeBoxProps) => {
  const { view, show } = useFront()
  const { t } = useWording()
  const choose = (change: Partial<View>) => {
    show(change)
    onDone()
  }
  return (
    <>
      <ul class="ranges">
        {RANGES.map((each) => (
          <li key={each}>
            <button
              type="button"
              aria-current={each === view.range}
              onClick={() => choose({ range: each, interval: null })}
            >
              {t.front.ranges[each]}
              <span class="kbd" aria-hidden="true">
                {RANGE_KEYS.get(each)?.toUpperCase()}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <Dates onChoose={(range) => choose({ range, interval: null })} />
      <div class="choices">
        <p aria-hidden="true">{t.front.compare}</p>
        <Choice
          name="compare"
          label={t.front.compare}
          options={COMPARES.map((each) => [each, t.front.compares[each]])}
          value={view.compare}
          onChoose={(compare) => show({ compare })}
        />
        <ZoneChoice siteZone={siteZone} />
      </div>
    </>
  )
}

const Dates = ({ onChoose }: { readonly onChoose: (range: View["range"]) => void }) => {
  const { view } = useFront()
  const { t } = useWording()
  const [from, setFrom] = useState(typeof view.range === "string" ? "" : view.range[0])
  const [to, setTo] = useState(typeof view.range === "string" ? "" : view.range[1])
  const range = rangeOf(from, to)
  return (
    <form
      class="dates"
      aria-label={t.front.custom}
      onSubmit={(e) => {
        e.preventDefault()
        if (range !== null) onChoose(range)
      }}
    >
      <label>
        {t.front.from}
        <input type="date" value={from} onInput={(e) => setFrom(e.currentTarget.value)} />
      </label>
      <label>
        {t.front.to}
        <input type="date" value={to} onInput={(e) => setTo(e.currentTarget.value)} />
      </label>
      <button type="submit" class="primary" disabled={range === null}>
        {t.front.apply}
      </button>
    </form>
  )
}

const ZoneChoice = ({ siteZone }: { readonly siteZone: string | null }) => {
  const { view, show } = useFront()
  const { t } = useWording()
  const zones = useMemo(timeZones, [])
  return (
    <label class="zone">
      {t.front.zone}
      <select
        value={view.zone ?? ""}
        onChange={(e) => show({ zone: e.currentTarget.value === "" ? null : e.currentTarget.value })}
      >
        <option value="">
          {t.front.zoneOfSite}
          {siteZone !== null && view.zone === null ? ` (${siteZone})` : ""}
        </option>
        {zones.map((each) => (
          <option key={each} value={each}>
            {each.replaceAll("_", " ")}
          </option>
        ))}
      </select>
    </label>
  )
}
