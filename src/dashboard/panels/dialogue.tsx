import type { ComponentChildren } from "preact"
import { useEffect, useRef } from "preact/hooks"
import { useWording } from "./parts.tsx"

export interface DialogueProps {
  readonly name: string
  readonly title: string
  /** What stands between the title and the button that closes it. */
  readonly tools?: ComponentChildren
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** A box over the page; its button, Escape, or a click beside it closes it. The focus is then again where it was before. */
export const Dialogue = ({ name, title, tools, onClose, children }: DialogueProps) => {
  const { t } = useWording()
  const box = useRef<HTMLDialogElement>(null)
  const closed = useRef(onClose)
  closed.current = onClose
  useEffect(() => {
    const shown = box.current
    if (shown === null) return
    const listen = () => closed.current()
    shown.showModal()
    shown.addEventListener("click", ({ target }) => target === shown && shown.close())
    shown.addEventListener("close", listen)
    return () => {
      // Whoever takes it away knows, and the browser gives the focus back only to who closes it.
      shown.removeEventListener("close", listen)
      shown.close()
    }
  }, [])
  return (
    <dialog ref={box} class={name} aria-labelledby={`${name}-title`}>
      <div class="head">
        <h2 id={`${name}-title`}>{title}</h2>
        {tools}
        <button type="button" class="quiet" onClick={() => box.current?.close()}>
          {t.front.close}
        </button>
      </div>
      {children}
    </dialog>
  )
}
