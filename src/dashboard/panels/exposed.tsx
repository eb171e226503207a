/** Says that everybody sees the figures where nobody has chosen that, once to each browser. */
import { useContext, useState } from "preact/hooks"
import { store, stored } from "../model/settings.ts"
import { AccessContext } from "./access.ts"
import { useWording } from "./parts.tsx"

/** Under which the browser keeps that its reader has been told. */
const TOLD = "told-exposed"

export const Exposed = () => {
  const { t } = useWording()
  const { exposed } = useContext(AccessContext)
  const [told, tell] = useState(() => stored(TOLD) !== null)
  if (!exposed || told) return null
  return (
    <aside class="exposed" aria-label={t.exposed.title}>
      <p>{t.exposed.text}</p>
      <button
        type="button"
        class="quiet"
        onClick={() => {
          store(TOLD, "1")
          tell(true)
        }}
      >
        {t.exposed.understood}
      </button>
    </aside>
  )
}
