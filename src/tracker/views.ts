/** Which page is shown, and when another one is. */
import { core, type Shown, shown, track } from "./core.ts"

/** The address as it was last seen, which a page of the site's own may stand for. */
let seen: string
let theme: string | null

const themed = (counted?: unknown) => {
  const last = theme
  theme = new URL(seen).searchParams.get("theme")
  if (theme && theme !== last && counted) track("cv_theme_change", { theme })
}

/** Counts a view. */
export const view = (told?: Shown): void => {
  core.leave(true)
  shown.referrer = shown.page_url
  seen = shown.page_url = core.address()
  delete shown.title
  Object.assign(shown, told)
  track("page_view")
}

/** The address may have changed. `replaced`: without an entry of its own in the history. */
const move = (replaced?: boolean) => {
  const address = core.address()
  if (address === seen) return
  if (document.prerendering || core.same(replaced, address, seen)) {
    if (shown.page_url === seen) shown.page_url = address
    seen = address
  } else view()
  themed(1)
}

/** Follows the page's address, from its first view on. */
export const followViews = (): void => {
  seen = core.address()
  shown.page_url ??= seen
  if (core.first) track("page_view")
  themed(core.first)
  // Out of the browser's memory, where the server is not asked.
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted && !core.same()) track("page_view")
  })
  if (window.navigation)
    navigation.addEventListener("currententrychange", ({ navigationType }) =>
      move(navigationType === "replace"),
    )
  else {
    for (const name of ["pushState", "replaceState"] as const) {
      const change = history[name]
      history[name] = (...args) => {
        change.apply(history, args)
        move(name > "q")
      }
    }
    addEventListener("popstate", () => move())
  }
}
