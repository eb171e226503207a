/** Clicks, and events that elements are marked with. */
import { core, track } from "./core.ts"
import { warn } from "./tag.ts"

const LINK = ":any-link"
const CLICKABLE = `${LINK},button,summary,[role=button],[type=button],[type=submit],[type=reset],[type=image]`

/** A form's fields may be called like its methods. */
const { matches, getAttribute } = Element.prototype

/** What a click on a label is passed on to, if the label's own has counted. */
let passedOn: Element | null | undefined

const dataOf = (marked: Element): object | undefined => {
  const text = getAttribute.call(marked, "data-maicivy-data")
  try {
    return JSON.parse(text || "{}")
  } catch {
    warn(`not JSON: ${text}`)
  }
}

/** A click's place in percent of the document, so that those on screens of all sizes add up. A keyboard's has none. */
const placeOf = (clicked: Element, { detail, pageX, pageY }: MouseEvent) => {
  const { x, y, width, height } = clicked.getBoundingClientRect()
  const { scrollWidth, scrollHeight } = document.documentElement
  return {
    x: Math.round((100 * (detail ? pageX : x + width / 2 + scrollX)) / scrollWidth),
    y: Math.round((100 * (detail ? pageY : y + height / 2 + scrollY)) / scrollHeight),
  }
}

const act = (event: MouseEvent) => {
  const { isTrusted, button, type } = event
  const path = event.composedPath()
  const around = <E extends Element>(selector: string) =>
    path.find((node): node is E => node instanceof Element && matches.call(node, selector))
  // Of the other buttons, the middle one opens links.
  if (!isTrusted || path[0] === passedOn || (button && (button > 1 || !around(LINK)))) return
  const submitted = type > "s"
  const marked = around("[data-maicivy-event]")
  const meant = marked && submitted === marked instanceof HTMLFormElement
  if (meant) track(getAttribute.call(marked, "data-maicivy-event") || "", dataOf(marked))
  const clicked = !submitted && around(CLICKABLE)
  if (clicked) track(matches.call(clicked, LINK) ? "link_click" : "button_click", placeOf(clicked, event))
  if (!marked) core.acted?.(around, submitted)
  if (meant || clicked) {
    passedOn = around<HTMLLabelElement>("label")?.control
    setTimeout(() => {
      passedOn = null
    })
  }
}

/** Sends every click, and what is marked. */
export const followClicks = (): void => {
  // What is submitted has neither a button nor a place.
  for (const type of ["click", "auxclick", "submit"] as const)
    document.addEventListener(type, act as EventListener, true)
}
