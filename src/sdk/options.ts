/** The client's options, and what it reports. */

/** An event that was lost, and why. */
export interface Loss {
  /** One of the server's codes, or `QUEUE_FULL`, `INVALID_EVENT`, `INVALID_URL` or `CLOSED`. */
  readonly code: string
  /** One sentence. */
  readonly message: string
  /** The event's id. */
  readonly id: string
  readonly eventType: string
}

/** Optional fields of an event. */
export interface EventFields {
  /** A UUID. Servers send events for many visitors: without it, all of them count as one, the server itself. */
  readonly visitorId?: string | undefined
  readonly pageUrl?: string | undefined
  readonly referrer?: string | undefined
  /** What the visitor's browser calls itself: with a write key, browser, system and bots are told by it. */
  readonly userAgent?: string | undefined
  /** A declared site. Default: the client's. */
  readonly site?: string | undefined
  /** When it happened. Default: now. */
  readonly at?: Date | undefined
  /** Your own UUID, for an event that may be tracked twice and should count once. */
  readonly id?: string | undefined
}

export interface AnalyticsOptions {
  /** The server's URL with its scheme, such as `https://analytics.example`. */
  readonly url: string
  /** A declared site. Default: the server's default site. */
  readonly site?: string | undefined
  /** One of the server's `WRITE_KEYS`: lifts the rate limit. Never use it in a page, where everybody can read it. */
  readonly writeKey?: string | undefined
  /** Milliseconds for which events are collected before they are sent. Default 1000. */
  readonly flushIntervalMs?: number | undefined
  /** The most events per request, up to 1000, the default; a full batch is sent immediately. */
  readonly batchSize?: number | undefined
  /** The most events that may wait; further ones are lost with `QUEUE_FULL`. Default 10 000. */
  readonly maxQueue?: number | undefined
  /** The timeout of a request, milliseconds. Default 10 000. */
  readonly timeoutMs?: number | undefined
  /**
   * Sends waiting events when the process ends (`SIGTERM`, `SIGINT`, or out of work) or the page is left. Default true.
   * A signal that nobody else handles then ends the process, as it would have anyway.
   */
  readonly flushOnShutdown?: boolean | undefined
  /** Called once for every lost event. Without it, the first one is a warning on the console. */
  readonly onError?: ((loss: Loss) => void) | undefined
  /** Called for every pause after a failure, for logging. Without it, the first one is a warning on the console. */
  readonly onRetry?: ((pause: Pause) => void) | undefined
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof fetch | undefined
}

/** A pause before a retry. */
export interface Pause {
  readonly reason: string
  readonly delayMs: number
  /** The number of waiting events. */
  readonly waiting: number
}
