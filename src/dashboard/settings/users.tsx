/** The tab of users: who may log in, as what, and for which sites. */
import { useState } from "preact/hooks"
import { ROLES, type Role } from "../../domain/roles.ts"
import { isDone, isNumber, isText, listOf, orNull, shape } from "../model/decode.ts"
import { urlBelow } from "../model/place.ts"
import { patch, post, remove } from "../model/read.ts"
import { among } from "../model/view.ts"
import { Panel, useWording } from "../panels/parts.tsx"
import { useSiteName } from "../panels/siteNames.ts"
import { useAction } from "./action.ts"
import { useFrame } from "./context.ts"
import { Form, SelectField, SitesField, TextField } from "./fields.tsx"
import { useListed } from "./listed.ts"
import { Does, Removal, Rows, What } from "./rows.tsx"
import { Copied, Told } from "./told.tsx"

interface User {
  readonly id: number
  readonly name: string
  readonly role: Role
  readonly sites: ReadonlyArray<string> | null
}

const isUsersAnswer = shape<{ readonly data: ReadonlyArray<User> }>({
  data: listOf(
    shape<User>({
      id: isNumber,
      name: isText,
      role: (value): value is Role => isText(value) && among(ROLES, value) !== undefined,
      sites: orNull(listOf(isText)),
    }),
  ),
})

/** A user's password that has just been made. */
interface Made {
  readonly name: string
  readonly password: string
}

/** A password that nobody has thought of: 20 letters and digits. */
const newPassword = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(30))))
    .replace(/[^a-zA-Z0-9]/g, "")
    .slice(0, 20)

export const UsersTab = () => {
  const { t } = useWording()
  const [made, setMade] = useState<Made | null>(null)
  const listed = useListed("users", {}, isUsersAnswer)
  const texts = t.settings.users
  const onMade = (user: Made) => {
    setMade(user)
    listed.again()
  }
  return (
    <>
      {made !== null && (
        <Told
          key={made.password}
          title={texts.made(made.name)}
          hint={texts.once}
          onClose={() => setMade(null)}
        >
          <Copied name="password" label={texts.password} value={made.password} />
          <Copied name="address" label={texts.address} value={urlBelow("login").href} />
        </Told>
      )}
      <Panel name="users" title={t.settings.tabs.users} hint={texts.hint}>
        <Rows
          listed={listed}
          none={texts.none}
          row={(user) => <UserRow key={user.id} {...{ user, onMade }} onChange={listed.again} />}
        />
      </Panel>
      <Panel name="new-user" title={texts.add}>
        <UserForm user={null} onDone={onMade} />
      </Panel>
    </>
  )
}

interface UserRowProps {
  readonly user: User
  readonly onMade: (made: Made) => void
  readonly onChange: () => void
}

const UserRow = ({ user, onMade, onChange }: UserRowProps) => {
  const { t } = useWording()
  const siteName = useSiteName()
  const { access } = useFrame()
  const action = useAction()
  const [changing, setChanging] = useState(false)
  const texts = t.settings.users
  const { id, name, role, sites } = user
  if (changing)
    return (
      <li data-listed={name}>
        <What name={name} />
        <UserForm
          user={user}
          onCancel={() => setChanging(false)}
          onDone={() => {
            setChanging(false)
            onChange()
          }}
        />
      </li>
    )
  const isReader = name === access.name
  return (
    <li data-listed={name}>
      <What name={name}>
        {[
          texts.roles[role],
          sites === null
            ? t.settings.allSites
            : sites.length === 0
              ? t.settings.noSite
              : sites.map(siteName).join(", "),
          ...(isReader ? [texts.you] : []),
        ].join(" · ")}
      </What>
      <div class="does">
        <Does label={t.settings.change} of={name} name="change" onClick={() => setChanging(true)} />
        {/* Their own they change in their account. */}
        {!isReader && <Renewal {...{ user, onMade }} />}
        <Removal
          label={texts.remove}
          of={name}
          question={texts.removeQuestion}
          words={{ CONFLICT: texts.lastOwner }}
          action={action}
          onRemove={async (signal) => {
            await remove(`users/${id}`, isDone, signal)
            onChange()
          }}
        />
      </div>
    </li>
  )
}

/** Makes another password for somebody who has lost theirs. */
const Renewal = ({ user: { id, name }, onMade }: Pick<UserRowProps, "user" | "onMade">) => {
  const { t } = useWording()
  const action = useAction()
  const texts = t.settings.users
  return (
    <Removal
      name="password"
      label={texts.newPassword}
      of={name}
      question={texts.passwordQuestion}
      action={action}
      onRemove={async (signal) => {
        const password = newPassword()
        await patch(`users/${id}`, { password }, isDone, signal)
        onMade({ name, password })
      }}
    />
  )
}

interface UserFormProps {
  /** The user to be changed; `null` for another one. */
  readonly user: User | null
  readonly onDone: (made: Made) => void
  readonly onCancel?: () => void
}

const NEW = { name: "", role: "viewer" as Role, sites: [] as ReadonlyArray<string> }

const UserForm = ({ user, onDone, onCancel }: UserFormProps) => {
  const { t } = useWording()
  const { sites } = useFrame()
  const action = useAction()
  const [fields, set] = useState(user === null ? NEW : { ...user, sites: user.sites ?? [] })
  const texts = t.settings.users
  const { name, role } = fields
  // Even the only site is one that may be given back.
  const hadSome = user !== null && user.sites !== null
  const submit = async (signal: AbortSignal) => {
    // Whose only site was erased has none, and not all of them, until some are chosen.
    const hasNone = user?.sites?.length === 0 && fields.sites.length === 0 && role !== "owner"
    const some = role === "owner" || fields.sites.length === 0 ? null : fields.sites
    const body = { role, ...(!hasNone && { sites: some }) }
    const password = newPassword()
    if (user === null) await post("users", { ...body, name, password }, isDone, signal)
    else await patch(`users/${user.id}`, body, isDone, signal)
    if (user === null) set(NEW)
    onDone({ name, password })
  }
  return (
    <Form
      name={user === null ? "user" : `user-${user.id}`}
      submit={user === null ? texts.add : t.settings.save}
      action={action}
      onSubmit={submit}
      words={{ CONFLICT: user === null ? texts.taken : texts.lastOwner }}
      {...(onCancel !== undefined && { onCancel })}
    >
      {user === null && (
        <TextField
          label={texts.nameLabel}
          value={name}
          onInput={(typing) => set({ ...fields, name: typing })}
          required
          maxLength={100}
        />
      )}
      <SelectField
        label={texts.role}
        {...(role === "owner" && sites.length > 1 && { hint: texts.ownerHasAll })}
        options={ROLES.map((each) => [each, texts.roles[each]])}
        value={role}
        onChoose={(chosen) => set({ ...fields, role: chosen })}
      />
      {role !== "owner" && (sites.length > 1 || hadSome) && (
        <SitesField
          sites={sites}
          values={fields.sites}
          {...(user?.sites?.length === 0 && { hint: texts.hasNone })}
          onChoose={(some) => set({ ...fields, sites: some })}
        />
      )}
    </Form>
  )
}
