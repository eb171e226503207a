/** What the doctor found. */

export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string
  /** `warning` is worth knowing and no failure; `skipped` could not be looked at from here. */
  readonly state: "ok" | "warning" | "failed" | "skipped"
  /** What was seen, and for anything but `ok` what to do about it. */
  readonly text: string
  /** How long it took, where that says something. */
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
