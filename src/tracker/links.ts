/** Links that lead away, files, and forms. */
import type { Core } from "./core.ts"

const FILES = "pdf|zip|gz|rar|7z|csv|txt|epub|docx?|xlsx?|pptx?|od[pst]|mp[34]|dmg|exe"

/** Sends clicks on links to elsewhere and to files, and forms that are submitted. Queries may hold secrets: they are left out. */
export const followActs = (core: Core): void => {
  const { data, track } = core
  const file = new RegExp(
    `\\.(${(data.downloads || "true").replace(/\W+/g, "|").replace(/^true$/, FILES)})$`,
    "i",
  )
  core.acted = (around, submitted) => {
    const found = around(submitted ? "form" : ":any-link")
    if (!found) return
    const { protocol, host, pathname } = new URL(
      found.getAttribute(submitted ? "action" : "href") || "",
      document.baseURI,
    )
    // Without a host, what comes after the scheme is no address: it may be the file itself, a script or a person.
    const url = protocol + (host && `//${host}${pathname}`)
    if (submitted) {
      if ("forms" in data) track("form_submit", { form: found.getAttribute("id") || (host && pathname) })
    } else if ("downloads" in data && (found.hasAttribute("download") || file.test(pathname)))
      track("file_download", { url })
    else if ("outbound" in data && host && host !== location.host) track("outbound_link", { url })
  }
}
