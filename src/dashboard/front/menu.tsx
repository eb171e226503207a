import type { ComponentChildren } from "preact"
import { useCallback, useEffect, useRef, useState } from "preact/hooks"

export interface MenuProps {
  readonly name: string
  readonly label: ComponentChildren
  readonly title: string
  readonly children: (close: () => void) => ComponentChildren
}

/** A button that opens a box below it; Escape, or a click or focus elsewhere, closes it. */
export const Menu = ({ name, label, title, children }: MenuProps) => {
  const [open, setOpen] = useState(false)
  const box = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const close = useCallback(() => {
    setOpen(false)
    button.current?.focus()
  }, [])
  useEffect(() => {
    if (!open) return
    const outside = ({ target }: Event) => {
      if (!(target instanceof Node && box.current?.contains(target))) setOpen(false)
    }
    const shown = box.current
    const onEscape = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return
      event.stopPropagation()
      close()
    }
    shown?.addEventListener("keydown", onEscape)
    document.addEventListener("pointerdown", outside)
    document.addEventListener("focusin", outside)
    return () => {
      shown?.removeEventListener("keydown", onEscape)
      document.removeEventListener("pointerdown", outside)
      document.removeEventListener("focusin", outside)
    }
  }, [open, close])
  return (
    <div class={`menu ${name}-menu`} ref={box}>
      <button
        type="button"
        class="pill"
        ref={button}
        data-menu={name}
        title={title}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        {label}
      </button>
      {open && <div class="box">{children(close)}</div>}
    </div>
  )
}
