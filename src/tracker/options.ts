/** What a tag's attributes ask for beyond the core, in place before anything is counted. */
import type { Core } from "./core.ts"
import { followEngagement } from "./engagement.ts"
import { followActs } from "./links.ts"
import { followConsent } from "./visitor.ts"
import { followVitals } from "./vitals.ts"

/** What a view is, and which are counted. */
const chooseViews = (
  core: Core,
  { deliveryType = "", transferSize }: Partial<PerformanceNavigationTiming>,
) => {
  const { data, shown } = core
  if (data.page) shown.page_url = new URL(data.page, location.href).href
  if (data.title) shown.title = data.title
  // Nobody has asked the server for what was fetched ahead, or lay in the browser's cache.
  if (data.firstView) core.first = /prefetch/.test(deliveryType) || (deliveryType && !transferSize)
  if ("hash" in data)
    // The fragment names the page if it is a path, and its query is none of it.
    core.address = () => location.href.replace(/#(?!!?\/).*/, "").replace(/(#[^?]*).*/, "$1")
  if (data.replace) core.same = (replaced) => replaced && data.replace === "none"
  if ("manual" in data) {
    core.first = 0
    core.same = () => true
  }
}

export default (core: Core): void => {
  const { data } = core
  core.off ||= "respectDnt" in data && (navigator.doNotTrack === "1" || navigator.globalPrivacyControl)
  if (core.off) return
  const [entry] = performance.getEntriesByType("navigation")
  const loaded: Partial<PerformanceNavigationTiming> = entry?.toJSON()
  chooseViews(core, loaded)
  followActs(core)
  if ("cookie" in data) followConsent(core)
  if ("engagement" in data) followEngagement(core)
  if ("vitals" in data) followVitals(core, loaded)
  // After the view.
  if (data.notFound || ("notFound" in data && /404|410/.test(`${loaded.responseStatus}`)))
    setTimeout(core.track, 0, "not_found")
}
