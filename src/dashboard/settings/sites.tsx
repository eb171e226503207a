/** The tab of sites: which there are, and one more. */
import { useRef, useState } from "preact/hooks"
import type { OtherHosts } from "../../domain/answers.ts"
import { differing, hostsOf, slugFor, wordsOf } from "../model/sites.ts"
import { Panel, PartView, useWording } from "../panels/parts.tsx"
import { type Action, useAction } from "./action.ts"
import { useErased, useFrame } from "./context.ts"
import { EraseSite } from "./eraseSite.tsx"
import { isErasing } from "./erasing.ts"
import { Failed } from "./failed.tsx"
import { Form, TextField, useFocused } from "./fields.tsx"
import { Does, What } from "./rows.tsx"
import { SetUp } from "./setUp.tsx"
import {
  DaysField,
  DeploymentContext,
  daysOf,
  GoingText,
  HostFields,
  NO_DEPLOYMENT,
  useGoing,
  ZoneField,
  zoneOf,
} from "./siteFields.tsx"
import { addSite, changeSite, type Site, type SiteList as Sites, useReread, useSiteList } from "./siteList.ts"

export const SitesTab = () => {
  const { t } = useWording()
  const { sitesChanged } = useFrame()
  const [part, again] = useSiteList()
  // The one that is being set up.
  const [shown, show] = useState<string | null>(null)
  const site = part.data?.details.find(({ slug, archived }) => slug === shown && !archived)
  const changed = useReread(() => {
    again()
    sitesChanged()
  })
  useErased(useReread(again))
  return (
    <DeploymentContext.Provider value={part.data ?? NO_DEPLOYMENT}>
      {part.data !== null && site !== undefined && (
        <SetUp
          key={site.slug}
          {...{ site, script: part.data.script }}
          onChange={changed}
          onClose={() => show(null)}
        />
      )}
      <Panel name="sites" title={t.settings.tabs.sites} hint={t.settings.ofSites.hint}>
        <PartView part={part} onAgain={again}>
          {(sites) => <SiteList {...{ sites, shown, show }} onChange={changed} />}
        </PartView>
      </Panel>
      <Panel name="new-site" title={t.settings.ofSites.add}>
        <NewSite
          onMade={(slug) => {
            show(slug)
            changed()
          }}
        />
      </Panel>
    </DeploymentContext.Provider>
  )
}

interface SiteListProps {
  readonly sites: Sites
  readonly shown: string | null
  readonly show: (slug: string | null) => void
  readonly onChange: () => void
}

const SiteList = ({ sites, shown, show, onChange }: SiteListProps) => (
  <ul class="listed">
    {sites.details.map((site) => (
      <SiteRow
        key={site.slug}
        site={site}
        isDefault={site.slug === sites.default}
        isShown={site.slug === shown}
        onShow={() => show(site.slug === shown ? null : site.slug)}
        onChange={onChange}
      />
    ))}
  </ul>
)

/** What a row is open for. */
type Doing = "edit" | "archive" | "erase"
type SiteChange = Parameters<typeof changeSite>[1]

interface SiteRowProps {
  readonly site: Site
  readonly isDefault: boolean
  /** Whether it is being set up. */
  readonly isShown: boolean
  readonly onShow: () => void
  readonly onChange: () => void
}

const SiteRow = ({ site, isDefault, isShown, onShow, onChange }: SiteRowProps) => {
  const { t } = useWording()
  const action = useAction()
  const { erasing } = useFrame()
  const isGoing = isErasing(erasing, site.slug)
  const [doing, start] = useState<Doing | null>(null)
  const row = useRef<HTMLLIElement>(null)
  const texts = t.settings.ofSites
  const { slug, name, archived } = site
  /** Ends what was begun; the keyboard is again where it began. */
  const end = () => {
    if (doing !== null) row.current?.querySelector<HTMLElement>(`[data-does=${doing}]`)?.focus()
    start(null)
  }
  const toggle = (what: Doing) => (doing === what ? end() : start(what))
  const change = (what: SiteChange) => async (signal: AbortSignal) => {
    if (Object.keys(what).length > 0) await changeSite(slug, what, signal)
    end()
    onChange()
  }
  return (
    <li data-listed={slug} class={archived ? "archived" : ""} ref={row}>
      <SiteFacts {...{ site, isDefault }} />
      <div class="does">
        {!archived && (
          <Does
            {...{ label: texts.setUp, of: name, name: "set-up", disabled: isGoing }}
            expanded={isShown}
            onClick={onShow}
          />
        )}
        <Does
          {...{ label: texts.edit, of: name, name: "edit", disabled: isGoing }}
          expanded={doing === "edit"}
          onClick={() => toggle("edit")}
        />
        {archived && (
          <Does
            {...{ label: texts.reopen, of: name, name: "reopen", disabled: isGoing }}
            onClick={() => action.run(change({ archived: false }))}
          />
        )}
        {!archived && !isDefault && (
          <Does
            {...{ label: texts.archive, of: name, name: "archive", disabled: isGoing }}
            expanded={doing === "archive"}
            onClick={() => toggle("archive")}
          />
        )}
        <Does
          {...{ label: t.settings.eraseSite.erase, of: name, name: "erase", disabled: isGoing }}
          expanded={doing === "erase"}
          onClick={() => toggle("erase")}
        />
      </div>
      {doing === "edit" && <EditSite {...{ site, action, change }} />}
      {doing === "archive" && <ArchiveSite {...{ site, action, change }} />}
      {doing === "erase" && (
        <EraseSite
          {...{ slug, isDefault }}
          onErased={(receipt) => {
            start(null)
            erasing.tell(receipt)
          }}
        />
      )}
      {doing === null && <Failed failure={action.failure} />}
    </li>
  )
}

/** What a site is called, and what one should know of it. */
const SiteFacts = ({ site, isDefault }: Pick<SiteRowProps, "site" | "isDefault">) => {
  const { t, number } = useWording()
  const texts = t.settings.ofSites
  const { slug, name, hosts, other_hosts: others, archived, time_zone, retention_days: days } = site
  const facts = [
    ...(name === slug ? [] : [slug]),
    ...(hosts.length > 0 ? [hosts.join(", ")] : []),
    ...(others !== "count" && hosts.length > 0 ? [texts.notTheirs[others]] : []),
    ...(time_zone === null ? [] : [time_zone.replaceAll("_", " ")]),
    ...(days === null ? [] : [texts.keeps(days, number(days))]),
    ...(isDefault ? [texts.isDefault] : []),
    ...(archived ? [texts.isArchived] : []),
  ]
  return <What name={name}>{facts.length > 0 && facts.join(" · ")}</What>
}

interface ChangeProps {
  readonly site: Site
  readonly action: Action
  readonly change: (what: SiteChange) => (signal: AbortSignal) => Promise<void>
}

const EditSite = ({ site, action, change }: ChangeProps) => {
  const { t } = useWording()
  const texts = t.settings.ofSites
  const [fields, set] = useState({
    ...{ name: site.name, hosts: site.hosts.join(", "), others: site.other_hosts },
    ...{ paths: site.excluded_paths.join(" "), addresses: site.excluded_addresses.join(" ") },
    ...{ zone: site.time_zone ?? "", days: String(site.retention_days ?? "") },
  })
  // What others have changed meanwhile stays.
  const [begun] = useState(site)
  const [going, isToConfirm] = useGoing(site)
  const days = daysOf(fields.days)
  const isConfirming = going !== null && going.days === days
  const what = {
    ...{ name: fields.name, hosts: hostsOf(fields.hosts), other_hosts: fields.others },
    ...{ excluded_paths: wordsOf(fields.paths), excluded_addresses: wordsOf(fields.addresses) },
    ...{ time_zone: zoneOf(fields.zone), retention_days: days },
  }
  return (
    <div class="doing" ref={useFocused()}>
      <Form
        name="edit-site"
        submit={isConfirming ? texts.saveAndDelete : texts.save}
        action={action}
        onSubmit={async (signal) => {
          if (!(await isToConfirm(days, signal)))
            await change(differing(begun, { ...begun, ...what }))(signal)
        }}
        words={{ INVALID_FIELD: texts.invalidEdit }}
      >
        <TextField
          label={t.settings.name}
          value={fields.name}
          onInput={(name) => set({ ...fields, name })}
          required
          maxLength={100}
        />
        <HostFields {...fields} set={(given) => set({ ...fields, ...given })} />
        <ZoneField value={fields.zone} onInput={(zone) => set({ ...fields, zone })} />
        <TextField
          label={texts.paths}
          hint={texts.pathsHint}
          value={fields.paths}
          onInput={(paths) => set({ ...fields, paths })}
          placeholder="/admin/* *.pdf"
        />
        <TextField
          label={texts.addresses}
          hint={texts.addressesHint}
          value={fields.addresses}
          onInput={(addresses) => set({ ...fields, addresses })}
          placeholder="192.0.2.7 2001:db8::/48"
        />
        <DaysField value={fields.days} onInput={(typed) => set({ ...fields, days: typed })} />
        {isConfirming && <GoingText {...going} />}
      </Form>
    </div>
  )
}

/** What ends a site is typed, so that nobody does it to the wrong one. */
const ArchiveSite = ({ site: { slug }, action, change }: ChangeProps) => {
  const { t } = useWording()
  const texts = t.settings.ofSites
  const [typed, set] = useState("")
  return (
    <div class="doing" ref={useFocused()}>
      <p class="hint">{texts.archiveHint}</p>
      <Form
        name="archive-site"
        submit={texts.archive}
        ready={typed === slug}
        action={action}
        onSubmit={change({ archived: true })}
      >
        <TextField label={texts.confirm(slug)} value={typed} onInput={set} />
      </Form>
    </div>
  )
}

interface NewFields {
  readonly name: string
  readonly slug: string
  readonly hosts: string
  readonly others: OtherHosts
  readonly zone: string
}

const NEW: NewFields = { name: "", slug: "", hosts: "", others: "count", zone: "" }

const NewSite = ({ onMade }: { readonly onMade: (slug: string) => void }) => {
  const { t } = useWording()
  const texts = t.settings.ofSites
  const action = useAction()
  const [fields, set] = useState(NEW)
  // Until it is typed, it follows the name.
  const slug = fields.slug === "" ? slugFor(fields.name) : fields.slug
  const submit = async (signal: AbortSignal) => {
    const site = {
      ...{ slug, name: fields.name, hosts: hostsOf(fields.hosts), other_hosts: fields.others },
      time_zone: zoneOf(fields.zone),
    }
    await addSite(site, signal)
    set(NEW)
    onMade(slug)
  }
  return (
    <Form
      name="site"
      submit={texts.add}
      action={action}
      onSubmit={submit}
      words={{ INVALID_FIELD: texts.invalid, CONFLICT: texts.taken }}
    >
      <TextField
        label={t.settings.name}
        hint={texts.nameHint}
        value={fields.name}
        onInput={(name) => set({ ...fields, name })}
        required
        maxLength={100}
      />
      <TextField
        label={texts.slug}
        hint={texts.slugHint}
        value={fields.slug}
        onInput={(typed) => set({ ...fields, slug: typed })}
        placeholder={slugFor(fields.name)}
        required={slug === ""}
        maxLength={64}
      />
      <HostFields {...fields} set={(given) => set({ ...fields, ...given })} />
      <ZoneField value={fields.zone} onInput={(zone) => set({ ...fields, zone })} />
    </Form>
  )
}
