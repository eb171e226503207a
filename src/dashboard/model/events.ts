/** How events are shown: short addresses, the one detail that matters, and the colour. */
import { shownName } from "./names.ts"

/** Returns `/cv?x=1` for `https://cv.example/cv?x=1`, and what is no URL as it is. */
export const shortPage = (url: string | null): string => {
  if (url === null) return ""
  try {
    const { pathname, search, hash } = new URL(url)
    return shownName(decodeURI(`${pathname}${search}${hash}`))
  } catch {
    return shownName(url)
  }
}

/** Returns the member of an event's data that is worth showing, as text; empty when there is none. */
export const detailOf = (data: unknown): string => {
  if (typeof data !== "object" || data === null) return ""
  const fields = new Map(Object.entries(data))
  for (const name of ["theme", "letter_type", "file", "name", "label", "text", "href", "form"]) {
    const value = fields.get(name)
    if (typeof value === "string" && value !== "") return shownName(value)
  }
  const x = fields.get("x")
  const y = fields.get("y")
  if (typeof x === "number" && typeof y === "number") return `x ${x}, y ${y}`
  const [first] = fields
  return first === undefined || typeof first[1] === "object" ? "" : shownName(`${first[0]}: ${first[1]}`)
}

/** Returns the class that colours events of a type. */
export const kindOf = (type: string): string =>
  type === "page_view"
    ? "view"
    : type === "letter_generate"
      ? "letter"
      : type === "cv_theme_change"
        ? "theme"
        : type.endsWith("_click")
          ? "click"
          : "other"
