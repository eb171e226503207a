/** Types of the global that the tracker makes on a page: `import type {} from "maicivy-analytics/tracker"`. */

/** A page view as the site itself describes it. */
export interface View {
  /** Address of the page; the browser's by default. */
  readonly page_url?: string | undefined
  /** Title of the page; the document's by default. */
  readonly title?: string | undefined
  /** The page before; that of the last view by default. */
  readonly referrer?: string | undefined
}

export interface Maicivy {
  /** Sends an event of the page's own, such as `letter_generate` with `{ letter_type: "motivation" }`. */
  readonly track: (type: string, data?: object) => void
  /** Counts a page view. */
  readonly view: (view?: View) => void
  /** With `data-cookie`: gives consent to the cookie that names the visitor, or withdraws it, and the cookie is gone. */
  readonly consent: (given: boolean) => void
  /** What a stub has kept until the script is there. */
  readonly queue?: ReadonlyArray<
    readonly [call: "track" | "view" | "consent", ...args: ReadonlyArray<unknown>]
  >
}

declare global {
  /** Absent until the script has loaded, and where a content blocker keeps it away. */
  var maicivy: Maicivy | undefined
}
