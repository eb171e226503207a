/** Widths of screens as ranges, so that a visitor is not told by an odd one. */

/** First width of each class but the first, in CSS pixels: where most sites' layouts change. */
const BOUNDS = [576, 992, 1440, 1920] as const

/** The classes, from narrow to wide: `0-575` … `1920+`. */
export const SCREENS: ReadonlyArray<string> = [0, ...BOUNDS].map((from, i) => {
  const next = BOUNDS[i]
  return next === undefined ? `${from}+` : `${from}-${next - 1}`
})

/** Wider ones are no screens. */
const MAX_WIDTH = 100_000

/** The class of a width, which trackers send as a number or as `1920x1080`; `null` for anything else. */
export const screenOf = (value: unknown): string | null => {
  const width =
    typeof value === "number"
      ? value
      : typeof value === "string"
        ? Number(/^(\d{1,6})(?:[x×]\d{1,6})?$/.exec(value)?.[1])
        : Number.NaN
  if (!(width > 0 && width <= MAX_WIDTH)) return null
  const index = BOUNDS.findIndex((bound) => width < bound)
  return SCREENS[index < 0 ? BOUNDS.length : index] ?? null
}
