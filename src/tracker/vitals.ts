/** How fast the page was for its visitor: Google's Web Vitals, by the definitions of https://web.dev/articles/vitals. */
import type { Core } from "./core.ts"

/** Sends one event when the page is left or hidden for the first time. */
export const followVitals = (
  { track, leaving }: Core,
  { activationStart = 0, responseStart = 0 }: Partial<PerformanceNavigationTiming>,
): void => {
  const interactions: { [id: number]: number } = {}
  let lcp: number | undefined
  // Of windows of at most 5 s, without a pause of one.
  let [first, last, shift, cls] = [0, 0, 0, 0]

  const observe = (type: string, look: (entry: PerformanceEntry) => void) => {
    new PerformanceObserver((list) => list.getEntries().forEach(look)).observe({
      type,
      buffered: true,
      durationThreshold: 16,
    })
  }
  observe("largest-contentful-paint", ({ startTime }) => {
    lcp = startTime
  })
  observe("layout-shift", ({ hadRecentInput, startTime, value = 0 }) => {
    if (hadRecentInput) return
    if (startTime - last > 1000 || startTime - first > 5000) {
      first = startTime
      shift = 0
    }
    last = startTime
    shift += value
    cls = Math.max(cls, shift)
  })
  observe("event", ({ interactionId, duration }) => {
    if (interactionId) interactions[interactionId] = Math.max(interactions[interactionId] || 0, duration)
  })

  /** From when the page was shown. */
  const since = (at: number | undefined) => at && Math.round(Math.max(0, at - activationStart))
  // What was opened in the background was drawn when it was looked at, and is not told.
  let told = document.hidden
  const tell = () => {
    if (told) return
    told = true
    track("web_vitals", {
      // The slowest, but one of fifty may be.
      inp: Object.values(interactions)
        .sort((a, b) => b - a)
        .at((performance.interactionCount || 0) / 50),
      lcp: since(lcp),
      fcp: since(performance.getEntriesByName("first-contentful-paint")[0]?.startTime),
      ttfb: since(responseStart),
      cls: "LayoutShift" in window ? +cls.toFixed(3) : undefined,
    })
  }
  leaving.push(tell)
}
