/** How events are shown: the part of the address that tells pages apart, and the one detail that matters of each type. */

/** `/cv?x=1` of `https://cv.example/cv?x=1`. */
export const shortPage = (url: string | null): string => {
  if (url === null) return ""
  try {
    const { pathname, search, hash } = new URL(url)
    return decodeURI(`${pathname}${search}${hash}`)
  } catch {
    return url
  }
}

/** What is worth showing of an event's data, in a few words. */
export const detailOf = (data: unknown): string => {
  if (typeof data !== "object" || data === null) return ""
  const fields = new Map(Object.entries(data))
  for (const name of ["theme", "letter_type", "file", "name", "label", "text", "href", "form"]) {
    const value = fields.get(name)
    if (typeof value === "string" && value !== "") return value
  }
  const x = fields.get("x")
  const y = fields.get("y")
  if (typeof x === "number" && typeof y === "number") return `x ${x}, y ${y}`
  const [first] = fields
  return first === undefined || typeof first[1] === "object" ? "" : `${first[0]}: ${first[1]}`
}

/** Which colour a type has. */
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
