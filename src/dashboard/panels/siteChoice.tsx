import { useEffect, useRef, useState } from "preact/hooks"
import { ALL_SITES, choiceOf } from "../../domain/siteChoice.ts"
import { slugsChosen } from "../model/sites.ts"
import { Dialogue } from "./dialogue.tsx"
import { useWording } from "./parts.tsx"
import { useSiteName } from "./siteNames.ts"

/** What opens the box in which several are chosen; no slug is so. */
const SOME = "…"

/** Whether a choice has been made that has yet to be shown: another site is another page, with a choice of its own. */
let isChanging = false

export interface SiteChoiceProps {
  /** All that there are for the reader. */
  readonly sites: ReadonlyArray<string>
  /** What is chosen, as the address has it; `null` for the default site. */
  readonly site: string | null
  /** Whether several may be chosen as one. */
  readonly several: boolean
  readonly onChoose: (site: string) => void
}

/** Which site the page is about, or which ones as one. */
export const SiteChoice = ({ sites, site, several, ...props }: SiteChoiceProps) => {
  const { t } = useWording()
  const siteName = useSiteName()
  const [choosing, setChoosing] = useState(false)
  const chosen = slugsChosen(site, sites)
  const all = sites.includes(ALL_SITES) ? choiceOf(sites) : ALL_SITES
  const value = chosen.length > 1 && chosen.length === sites.length ? all : choiceOf(chosen)
  const select = useRef<HTMLSelectElement>(null)
  const onChoose = (next: string) => {
    isChanging = true
    props.onChoose(next)
  }
  // The keyboard is where it was.
  useEffect(() => {
    if (isChanging && document.activeElement === document.body) select.current?.focus()
    isChanging = false
  }, [site])
  return (
    <>
      <label class="site">
        <span class="unseen">{t.site}</span>
        <select
          ref={select}
          value={value}
          onChange={(e) => {
            const { value: next } = e.currentTarget
            if (next !== SOME) return onChoose(next)
            // What is shown is what is chosen, until another choice is made.
            e.currentTarget.value = value
            setChoosing(true)
          }}
        >
          {sites.map((each) => (
            <option key={each} value={each}>
              {siteName(each)}
            </option>
          ))}
          {several && (
            <>
              <option value={all}>{t.sites.all}</option>
              {chosen.length > 1 && value !== all && (
                <option value={value}>{chosen.map(siteName).join(" + ")}</option>
              )}
              {sites.length > 2 && <option value={SOME}>{t.sites.some}</option>}
            </>
          )}
        </select>
      </label>
      {choosing && <SitesBox {...{ sites, chosen, onChoose }} onClose={() => setChoosing(false)} />}
    </>
  )
}

interface SitesBoxProps {
  readonly sites: ReadonlyArray<string>
  readonly chosen: ReadonlyArray<string>
  readonly onChoose: (site: string) => void
  readonly onClose: () => void
}

const SitesBox = ({ sites, chosen, onChoose, onClose }: SitesBoxProps) => {
  const { t } = useWording()
  const siteName = useSiteName()
  const [checked, check] = useState<ReadonlySet<string>>(new Set(chosen))
  return (
    <Dialogue name="sites" title={t.sites.title} onClose={onClose}>
      <form
        onSubmit={(e) => {
          e.preventDefault()
          onClose()
          onChoose(choiceOf(checked))
        }}
      >
        <p class="hint">{t.sites.hint}</p>
        <ul>
          {sites.map((each) => (
            <li key={each}>
              <label>
                <input
                  type="checkbox"
                  name={each}
                  checked={checked.has(each)}
                  onChange={(e) =>
                    check(
                      e.currentTarget.checked
                        ? new Set([...checked, each])
                        : checked.difference(new Set([each])),
                    )
                  }
                />
                {siteName(each)}
              </label>
            </li>
          ))}
        </ul>
        <button type="submit" class="primary" disabled={checked.size === 0}>
          {t.sites.show}
        </button>
      </form>
    </Dialogue>
  )
}
