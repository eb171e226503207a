/** What a page is: something that a browser went to, answered with a document. */

/** Reads a header of a request by its name in lower case; empty if it is absent. */
export type ReadHeader = (name: string) => string

/** A request, whatever the server's own kind is. */
export interface Asked {
  readonly method: string
  readonly url: URL
  readonly header: ReadHeader
  /** The client's address; empty if it is not known. */
  readonly address: string
}

/** What scripts of pages send along when they fetch a part of a page: htmx, jQuery, Turbo, pjax, Unpoly, Next.js. */
const FRAGMENTS = ["hx-request", "x-requested-with", "turbo-frame", "x-pjax", "x-up-version", "rsc"]

const DOCUMENT = /(?:text\/html|application\/xhtml\+xml)/i

/** What a 304 tells no type of: by these names it is a file that a browser has opened by itself. */
const FILE =
  /\.(?:avif|bmp|css|csv|docx?|flac|gif|ico|jpe?g|js|json|m4a|map|mjs|mov|mp[34]|og[ag]|pdf|png|pptx?|rss|svg|txt|wasm|wav|web[mp]|webmanifest|woff2?|xlsx?|xml|zip)$/i

/**
 * Whether a request asks for a page to be shown in a tab. Browsers say so themselves (Fetch Metadata), but not to a site without
 * TLS; there, as of programs and old browsers, it is told by what they accept. Frames and parts of pages are none, nor is what
 * a browser fetches before anybody has asked for it.
 */
export const isNavigation = (header: ReadHeader): boolean => {
  if (/prefetch|prerender|preview/i.test(header("sec-purpose") + header("purpose") + header("x-moz")))
    return false
  const destination = header("sec-fetch-dest")
  if (destination !== "") return destination === "document"
  const mode = header("sec-fetch-mode")
  if (mode !== "") return mode === "navigate"
  if (header("upgrade") !== "" || FRAGMENTS.some((name) => header(name) !== "")) return false
  const accepted = header("accept")
  return accepted === "" || DOCUMENT.test(accepted)
}

/** Whether an answer is a document: HTML with a 2xx, or a 304 for the browser's own copy. */
export const isDocument = (status: number, contentType: unknown, path: string): boolean => {
  if (status === 304) return !FILE.test(path)
  return status >= 200 && status < 300 && typeof contentType === "string" && DOCUMENT.test(contentType)
}
