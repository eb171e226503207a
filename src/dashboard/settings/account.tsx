/** The tab of whoever is logged in: their password, and their sessions. */
import { useState } from "preact/hooks"
import { MAX_PASSWORD, MIN_PASSWORD } from "../../domain/limits.ts"
import { isDone } from "../model/decode.ts"
import { urlBelow } from "../model/place.ts"
import { post } from "../model/read.ts"
import { Panel, useWording } from "../panels/parts.tsx"
import { useAction } from "./action.ts"
import { useFrame } from "./context.ts"
import { Failed } from "./failed.tsx"
import { Form, TextField } from "./fields.tsx"

export const AccountTab = () => {
  const { t } = useWording()
  const { access } = useFrame()
  const texts = t.settings.account
  return (
    <>
      <Panel name="password-change" title={texts.password} hint={texts.hint(access.name ?? "")}>
        <PasswordForm />
      </Panel>
      <Panel name="sessions" title={texts.sessions} hint={texts.sessionsHint}>
        <Sessions />
      </Panel>
    </>
  )
}

const EMPTY = { password: "", next: "" }

const PasswordForm = () => {
  const { t } = useWording()
  const { access } = useFrame()
  const action = useAction()
  const [fields, set] = useState(EMPTY)
  const [changed, setChanged] = useState(false)
  const texts = t.settings.account
  const submit = async (signal: AbortSignal) => {
    setChanged(false)
    await post("password", { password: fields.password, new_password: fields.next }, isDone, signal)
    set(EMPTY)
    setChanged(true)
  }
  return (
    <Form
      name="password"
      submit={texts.change}
      action={action}
      onSubmit={submit}
      words={{ WRONG_CREDENTIALS: texts.wrong }}
    >
      {/* So that a browser's store of passwords knows whose it is. */}
      <input type="text" autocomplete="username" value={access.name ?? ""} readOnly hidden />
      <TextField
        label={texts.current}
        value={fields.password}
        onInput={(password) => set({ ...fields, password })}
        secret
        required
        autocomplete="current-password"
      />
      <TextField
        label={texts.next}
        hint={texts.nextHint}
        value={fields.next}
        onInput={(next) => set({ ...fields, next })}
        secret
        required
        autocomplete="new-password"
        minLength={MIN_PASSWORD}
        maxLength={MAX_PASSWORD}
      />
      <p class="preview" role="status">
        {changed ? texts.changed : ""}
      </p>
    </Form>
  )
}

const Sessions = () => {
  const { t } = useWording()
  const action = useAction()
  const leave = (everywhere: boolean) =>
    action.run(async (signal) => {
      await post("logout", { everywhere }, isDone, signal)
      location.assign(urlBelow("login"))
    })
  return (
    <>
      <div class="does">
        <button type="button" class="pill" disabled={action.busy} onClick={() => leave(false)}>
          {t.settings.account.logOut}
        </button>
        <button type="button" class="pill" disabled={action.busy} onClick={() => leave(true)}>
          {t.settings.account.everywhere}
        </button>
      </div>
      <Failed failure={action.failure} />
    </>
  )
}
