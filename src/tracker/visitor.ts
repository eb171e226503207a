/** Who the visitor is: whom the cookie names. */
import type { Core } from "./core.ts"

/** The cookie, after a change if there is one. In a sandboxed frame cookies throw. */
const cookie = (change?: string): string | undefined => {
  try {
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not everywhere.
    if (change) document.cookie = `maicivy_session=${change};path=/;samesite=lax`
    return /maicivy_session=([\da-f-]{36})/i.exec(document.cookie)?.[1]
  } catch {
    return undefined
  }
}

/**
 * Goes by the cookie, and by consent to it, given now or earlier, or withdrawn. What the browser does not keep, or keeps from scripts,
 * names nobody: else every page would be another visitor.
 */
export const followConsent = (core: Core): void => {
  const { data, shown, uuid, warn } = core
  core.consent = (given) => {
    const secure = location.protocol === "https:" ? ";secure" : ""
    shown.visitor_id = cookie(`${given ? cookie() || uuid() : ""};max-age=${given ? 2592e3 : 0}${secure}`)
    if (given && !shown.visitor_id) warn("no script can read the cookie")
  }
  if (data.cookie && data.cookie !== "true") shown.visitor_id = cookie()
  else core.consent(true)
}
