import { useEffect, useRef } from "preact/hooks"
import { useWording } from "../panels/parts.tsx"
import { RANGE_KEYS } from "./keys.ts"

/** The list of keyboard shortcuts, over the page. */
export const Help = ({ onClose }: { readonly onClose: () => void }) => {
  const { t } = useWording()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  const { keys } = t.front
  const rows: ReadonlyArray<readonly [string, string]> = [
    ...[...RANGE_KEYS].map(([range, key]) => [key.toUpperCase(), t.front.ranges[range]] as const),
    ["[  ]", keys.move],
    ["R", keys.range],
    ["X", keys.compare],
    ["/", keys.filter],
    ["C", keys.clear],
    ["1 – 6", keys.metric],
    ["L", keys.live],
    ["?", keys.help],
  ]
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialogue by itself
    <dialog
      ref={dialog}
      class="help"
      aria-labelledby="help-title"
      onClose={onClose}
      onClick={({ target }) => target === dialog.current && onClose()}
    >
      <header>
        <h2 id="help-title">{t.front.help}</h2>
        <button type="button" class="quiet" onClick={onClose}>
          {t.front.close}
        </button>
      </header>
      <dl>
        {rows.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </dialog>
  )
}
