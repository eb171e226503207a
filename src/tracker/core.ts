/** What the tracker's files share, and what a part that is loaded on demand gets. */
import { add } from "./queue.ts"
import { data, warn } from "./tag.ts"

/** A view as its events tell it. */
export interface Shown {
  page_url?: string | undefined
  title?: string | undefined
  referrer?: string | undefined
  visitor_id?: string | undefined
}

/** What the tag's options change. Caches may hold parts of different versions: nothing here changes its meaning. */
export interface Core {
  readonly data: DOMStringMap
  /** The view that is on. */
  readonly shown: Shown
  /** Sends an event of it. What is no type is its name. */
  readonly track: (type: string, data?: object) => void
  readonly uuid: () => string
  readonly warn: (what: unknown) => void
  /** Called before a view ends: the page is hidden or left, or shows another one (`over`). */
  readonly leaving: Array<(over?: boolean) => void>
  /** Ends a view, or begins the first. */
  leave: (over?: boolean) => void
  /** Whether this browser is left out. */
  off: unknown
  /** Whether the first view counts here. */
  first: unknown
  /** The address as far as it names a page. */
  address: () => string
  /**
   * Whether a changed address is no new view, nor, without one, coming back to the page. `replaced`: the address has no entry of
   * its own in the history.
   */
  same: (replaced?: boolean, address?: string, last?: string) => boolean | undefined
  /** A click, or a form that is submitted, of elements that are not marked; `around` finds the innermost that matches. */
  acted?: (around: (selector: string) => Element | undefined, submitted: boolean) => void
  /** Consent to a lasting id, given or withdrawn. */
  consent?: (given: boolean) => void
}

const withoutQuery = (url?: string) => url?.replace(/\?[^#]*/, "")

/** A page that is rendered ahead is nobody's until it is shown. */
export const whenShown = (action: () => void): void =>
  document.prerendering ? document.addEventListener("prerenderingchange", action) : action()

/** Whether this is the browser of someone who does not want to be counted on their own site. */
const leftOut = () => {
  try {
    return localStorage.maicivy_ignore
  } catch {}
}

export const core: Core = {
  data,
  shown: { referrer: document.referrer },
  // randomUUID needs TLS.
  uuid: () => crypto.randomUUID?.() || URL.createObjectURL(new Blob()).slice(-36),
  warn,
  first: 1,
  leaving: [],
  leave(over) {
    for (const action of core.leaving) action(over)
  },
  off: leftOut(),
  address: () => location.href.replace(/#.*/, ""),
  same: (replaced, address, last) => replaced && withoutQuery(address) === withoutQuery(last),
  track(type, event_data) {
    whenShown(() => {
      if (!core.off)
        add({
          title: document.title,
          ...shown,
          [/^[a-z\d_.:-]{1,50}$/.test(type) ? "event_type" : "name"]: type,
          event_data,
          id: core.uuid(),
          screen: screen.width,
          site: data.site,
        })
    })
  },
}

export const { shown, track } = core
