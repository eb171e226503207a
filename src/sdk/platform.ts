/** Where the client runs, as far as that makes a difference. */

interface Platform {
  readonly Deno?: unknown
  readonly Bun?: unknown
  readonly document?: unknown
  readonly process?: { readonly versions?: { readonly node?: unknown } }
  readonly WorkerGlobalScope?: unknown
  readonly navigator?: { readonly userAgent?: unknown }
}

const platform: Platform = globalThis

const isServer =
  platform.Deno !== undefined || platform.Bun !== undefined || platform.process?.versions?.node !== undefined

const hasDocument = platform.document !== undefined

/** A page or one of its workers: requests are of its origin, with cookies and CORS. Cloudflare's workers are neither. */
export const IN_BROWSER: boolean =
  hasDocument ||
  (platform.WorkerGlobalScope !== undefined &&
    !isServer &&
    platform.navigator?.userAgent !== "Cloudflare-Workers")

/** Servers' clocks are right, those of visitors' devices often are not. */
export const CLOCK_IS_RIGHT: boolean = isServer && !hasDocument
