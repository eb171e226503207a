/** What stands on the front page of a site that has had no event yet: the first step, and what comes of it. */
import { useContext } from "preact/hooks"
import { loginUrl, pageUrl } from "../model/place.ts"
import { slugsChosen } from "../model/sites.ts"
import { AccessContext, isStranger } from "../panels/access.ts"
import { Panel, PartView, useWording } from "../panels/parts.tsx"
import { Arriving, Tag } from "../settings/setUp.tsx"
import { type Site, useReread, useSiteList } from "../settings/siteList.ts"
import { useFront } from "./context.ts"

export interface BeginningProps {
  /** Whether there still is no event. */
  readonly empty: boolean
  readonly onClose: () => void
}

export const Beginning = (props: BeginningProps) => {
  const { may } = useContext(AccessContext)
  if (may.includes("admin")) return <OfManager {...props} />
  return props.empty ? <NothingYet /> : null
}

/** For whoever may manage the site. What is not one site that takes events has no tag. */
const OfManager = (props: BeginningProps) => {
  const { site } = useFront()
  const [part, again] = useSiteList()
  const changed = useReread(again)
  return (
    <PartView part={part} onAgain={again}>
      {({ sites, details, script }) => {
        const [slug, ...others] = slugsChosen(site, sites)
        const one = details.find((each) => each.slug === slug && others.length === 0 && !each.archived)
        if (one !== undefined) return <FirstSteps {...props} {...{ site: one, script }} onChange={changed} />
        return props.empty ? <NothingYet /> : null
      }}
    </PartView>
  )
}

interface FirstStepsProps extends BeginningProps {
  readonly site: Site
  readonly script: string
  readonly onChange: () => void
}

/** The tag, and the first event the moment it comes, which stays when the figures have taken the tag's place. */
const FirstSteps = ({ site, script, empty, onChange, onClose }: FirstStepsProps) => {
  const { t } = useWording()
  const texts = t.front.first
  return (
    <Panel
      name="first"
      title={empty ? texts.title(site.name) : texts.begun(site.name)}
      {...(empty && { hint: texts.hint })}
      {...(!empty && {
        aside: (
          <button type="button" class="quiet" onClick={onClose}>
            {t.settings.done}
          </button>
        ),
      })}
    >
      {empty && <Tag {...{ site, script }} />}
      <Arriving {...{ site, onChange }} />
      {empty && (
        <p class="hint">
          <a href={pageUrl("settings", site.slug, "sites")}>{texts.settings}</a>
        </p>
      )}
    </Panel>
  )
}

/** For everybody else. */
const NothingYet = () => {
  const { t } = useWording()
  const texts = t.front.first
  const access = useContext(AccessContext)
  return (
    <Panel name="first" title={texts.nothing} hint={texts.nothingHint}>
      {isStranger(access) && (
        <p>
          {texts.yours} <a href={loginUrl()}>{t.login}</a>
        </p>
      )}
    </Panel>
  )
}
