/** What browsers have and TypeScript's own library does not know yet. */

interface Document {
  readonly prerendering?: boolean
}

interface Navigator {
  readonly globalPrivacyControl?: boolean
}

interface PerformanceNavigationTiming {
  readonly activationStart?: number
  readonly deliveryType?: string
  readonly responseStatus?: number
}

interface Performance {
  readonly interactionCount?: number
}

interface PerformanceObserverInit {
  readonly durationThreshold?: number
}

/** Of the kinds that the vitals are told from. */
interface PerformanceEntry {
  readonly hadRecentInput?: boolean
  readonly interactionId?: number
  readonly value?: number
}
