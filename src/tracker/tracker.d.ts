/** Types of the global that `/tracker.js` makes on a page: `import type {} from "maicivy-analytics/tracker"`. */

export interface Maicivy {
  /** Sends an event of the page's own, such as `letter_generate` with `{ letter_type: "motivation" }`. */
  readonly track: (type: string, data?: Readonly<Record<string, unknown>>) => void
}

declare global {
  /** Absent until the script has loaded, and where a content blocker keeps it away. */
  var maicivy: Maicivy | undefined
}
