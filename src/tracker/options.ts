/** What a tag's attributes ask for beyond the core, in place before anything is counted. */
import type { Core } from "./core.ts"
import { followEngagement } from "./engagement.ts"
import { followActs } from "./links.ts"
import { followConsent } from "./visitor.ts"
import { followVitals } from "./vitals.ts"

/** Does what the tag's attributes ask for. */
export default (core: Core): void => {
  const { data, shown } = core
  core.off ||= "respectDnt" in data && (navigator.doNotTrack === "1" || navigator.globalPrivacyControl)
  if (core.off) return
  const loaded: Partial<PerformanceNavigationTiming> = performance.getEntriesByType("navigation")[0] || {}
  if (data.page) shown.page_url = new URL(data.page, location.href).href
  if (data.title) shown.title = data.title
  if (data.visitor) shown.visitor_id = data.visitor
  // The server counts nothing that is fetched or rendered ahead, and was not asked for what lay in the browser's cache.
  if (data.firstView)
    core.first =
      loaded.activationStart ||
      (loaded.deliveryType && (loaded.deliveryType !== "cache" || !loaded.transferSize))
  if ("hash" in data)
    // The fragment names the page if it is a path, and its query is none of it.
    core.address = () => location.href.replace(/#(?!!?\/).*|(#[^?#]*).*/, "$1")
  if (data.replace) core.same = (replaced) => replaced && data.replace === "none"
  followActs(core)
  if ("cookie" in data) followConsent(core)
  const begin = () => {
    if ("engagement" in data) followEngagement(core)
    if ("vitals" in data) followVitals(core, loaded)
  }
  const { leave } = core
  if ("manual" in data) {
    core.same = () => true
    core.first = 0
    // Before the first that is asked for, there is none to leave, and the document's referrer stays.
    core.leave = (over) => {
      if (!over) return
      shown.page_url = shown.referrer
      core.leave = leave
      begin()
    }
  } else begin()
  // After the view, but in the same turn: a timer may not come any more.
  // Frameworks write an attribute without a value as "true".
  if ("notFound" in data && /404|410|always/.test(`${data.notFound}${loaded.responseStatus}`))
    queueMicrotask(() => core.track("not_found"))
}
