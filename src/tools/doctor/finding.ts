/** What the doctor found. */

export interface Finding {
  /** What was checked, in a word or two. */
  readonly check: string
  /** `warning` is worth knowing but not a failure; `skipped` could not be checked from here. */
  readonly state: "ok" | "warning" | "failed" | "skipped"
  /** What was found, and unless it is `ok`, what to do about it. */
  readonly text: string
  /** How long it took, where that is of interest. */
  readonly milliseconds?: number
}

const finding =
  (state: Finding["state"]) =>
  (check: string, text: string, milliseconds?: number): Finding => ({
    check,
    state,
    text,
    ...(milliseconds !== undefined && { milliseconds: Math.round(milliseconds * 10) / 10 }),
  })

export const ok = finding("ok")
export const warning = finding("warning")
export const failed = finding("failed")
export const skipped = finding("skipped")
