/** The keyboard's shortcuts on the front page. */
import { useEffect, useRef } from "preact/hooks"
import { movedRange } from "../model/questions.ts"
import { CARDS, type RangeName } from "../model/view.ts"
import type { Front } from "./context.ts"

/** The letter of each range. */
export const RANGE_KEYS: ReadonlyMap<RangeName, string> = new Map([
  ["day", "d"],
  ["yesterday", "y"],
  ["24h", "h"],
  ["7d", "w"],
  ["28d", "f"],
  ["91d", "n"],
  ["month", "m"],
  ["last_month", "p"],
  ["year", "t"],
  ["12mo", "o"],
  ["all", "a"],
])

const RANGES_BY_KEY = new Map([...RANGE_KEYS].map(([range, key]) => [key, range]))

const open = (menu: string) => document.querySelector<HTMLButtonElement>(`[data-menu=${menu}]`)?.click()

/** Does what a key stands for; `false` for a key that stands for nothing. */
const pressed = (key: string, { view, show }: Front, help: () => void): boolean => {
  const range = RANGES_BY_KEY.get(key)
  const card = CARDS[Number(key) - 1]
  if (range !== undefined) show({ range, interval: null })
  else if (card !== undefined) show({ metric: card, goal: null }, "replace")
  else if (key === "x") show({ compare: view.compare === "none" ? "previous_period" : "none" })
  else if (key === "r") open("range")
  else if (key === "/") open("filter")
  else if (key === "c") show({ conditions: [] })
  else if (key === "?") help()
  else if (key === "l") document.querySelector<HTMLAnchorElement>("[data-page=live]")?.click()
  else if ((key === "[" || key === "]") && typeof view.range !== "string")
    show({ range: movedRange(view.range, key === "[" ? -1 : 1) })
  else return false
  return true
}

/** Listens for shortcuts, but where something is written or a dialogue is open. */
export const useKeys = (front: Front, help: () => void): void => {
  const latest = useRef({ front, help })
  latest.current = { front, help }
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const { target } = event
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
      if (document.querySelector("dialog[open]") !== null) return
      if (target instanceof Element && target.closest("input:not([type=radio]), select, textarea")) return
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
      if (pressed(key, latest.current.front, latest.current.help)) event.preventDefault()
    }
    document.addEventListener("keydown", listen)
    return () => document.removeEventListener("keydown", listen)
  }, [])
}
