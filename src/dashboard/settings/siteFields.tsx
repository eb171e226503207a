/** Fields of a site: its hosts, and those that say what the deployment does where they are empty. */
import { createContext } from "preact"
import { useContext, useId, useMemo, useState } from "preact/hooks"
import { OTHER_HOSTS, type OtherHosts } from "../../domain/answers.ts"
import { DAY_MS } from "../../domain/time.ts"
import { timeZones } from "../model/zones.ts"
import { useWording } from "../panels/parts.tsx"
import { countEvents } from "./countEvents.ts"
import { SelectField, TextField } from "./fields.tsx"
import type { Site, SiteList } from "./siteList.ts"

type Deployment = Pick<SiteList, "time_zone" | "retention_days">

/** Nothing is known of it yet. */
export const NO_DEPLOYMENT: Deployment = { time_zone: "", retention_days: 0 }

/** What sites do that have chosen nothing. */
export const DeploymentContext = createContext(NO_DEPLOYMENT)

export interface HostFieldsProps {
  readonly hosts: string
  readonly others: OtherHosts
  readonly set: (change: { readonly hosts?: string; readonly others?: OtherHosts }) => void
}

/** Where a site's pages are, and what becomes of events of elsewhere. */
export const HostFields = ({ hosts, others, set }: HostFieldsProps) => {
  const { t } = useWording()
  const texts = t.settings.ofSites
  return (
    <>
      <TextField
        label={texts.hosts}
        hint={texts.hostsHint}
        value={hosts}
        onInput={(value) => set({ hosts: value })}
        placeholder="example.org, www.example.org"
      />
      <SelectField
        label={texts.others}
        hint={texts.othersHint}
        options={OTHER_HOSTS.map((each) => [each, texts.othersAre[each]])}
        value={others}
        onChoose={(value) => set({ others: value })}
      />
    </>
  )
}

interface TypedProps {
  readonly value: string
  readonly onInput: (value: string) => void
}

/** The time zone of a site: typed in part, it is found in the list. */
export const ZoneField = (typed: TypedProps) => {
  const { t } = useWording()
  const { zone, zoneHint } = t.settings.ofSites
  const list = useId()
  return (
    <>
      <TextField
        {...{ ...typed, label: zone, hint: zoneHint, list }}
        placeholder={useContext(DeploymentContext).time_zone}
        maxLength={64}
      />
      <datalist id={list}>
        {useMemo(timeZones, []).map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </>
  )
}

/** The zone that is typed; `null` for none. */
export const zoneOf = (typed: string): string | null => (typed.trim() === "" ? null : typed.trim())

/** For how many days a site keeps its events. */
export const DaysField = (typed: TypedProps) => {
  const { t, number } = useWording()
  const { days, daysHint } = t.settings.ofSites
  const { retention_days: most } = useContext(DeploymentContext)
  return (
    <TextField
      {...{
        ...typed,
        label: days,
        hint: daysHint(most, number(most)),
        placeholder: String(most),
        maxLength: 4,
      }}
    />
  )
}

/** The days that are typed; `null` for none, 0 for what is no number. */
export const daysOf = (typed: string): number | null => {
  const text = typed.trim()
  if (text === "") return null
  return /^\d{1,4}$/.test(text) ? Number(text) : 0
}

/** What would go if a site kept its events for so many days. */
export interface Going {
  readonly days: number
  /** ISO 8601: events before it. */
  readonly before: string
  /** `null` where it is not known. */
  readonly events: number | null
}

/** How many events of a site would go that are kept now; of bots, too. */
const goingOf = async (
  { slug }: Site,
  present: number,
  days: number,
  signal: AbortSignal,
): Promise<Going> => {
  const ago = (each: number) => new Date(Date.now() - each * DAY_MS).toISOString()
  const [from, before] = [ago(present), ago(days)]
  // Where nothing can be counted, it is confirmed all the same.
  return { days, before, events: await countEvents(slug, [from, before], signal) }
}

/** What of a site would go by what is typed, once that was looked for; and what looks for it: whether there is something to confirm. */
export const useGoing = (site: Site) => {
  const [going, set] = useState<Going | null>(null)
  const { retention_days: most } = useContext(DeploymentContext)
  const isToConfirm = async (days: number | null, signal: AbortSignal): Promise<boolean> => {
    const present = Math.min(site.retention_days ?? most, most)
    if (days === null || days < 1 || days >= present || going?.days === days) return false
    const found = await goingOf(site, present, days, signal)
    set(found.events === 0 ? null : found)
    return found.events !== 0
  }
  return [going, isToConfirm] as const
}

/** Says what would go. */
export const GoingText = ({ events, before }: Going) => {
  const { t, number, dateOf } = useWording()
  const { going } = t.settings.ofSites
  return (
    <p class="failure" role="alert" data-going={events ?? "unknown"}>
      {going(events, number(events ?? 0), dateOf(before))}
    </p>
  )
}
