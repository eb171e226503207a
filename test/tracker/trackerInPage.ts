/** A page that has loaded the tracker, as far as the tracker sees it: what it does by the clock and the answers, without a browser. */
import { createContext, runInContext } from "node:vm"
import { type TrackerPlace, trackerPart } from "../../src/server/api/assets.ts"

export interface Sent {
  readonly url: string
  readonly events: ReadonlyArray<{ readonly [key: string]: unknown }>
  readonly options: { readonly [key: string]: unknown }
}

/** The answer to a batch. */
export interface Answer {
  readonly status: number
  readonly rejected?: ReadonlyArray<object>
  readonly retryAfter?: string
  /** What its body comes after. */
  readonly after?: Promise<void>
}

export interface Given {
  readonly href?: string
  readonly attributes?: { readonly [name: string]: string }
  readonly navigator?: { readonly [name: string]: unknown }
  readonly localStorage?: object
  /** What the navigation's entry of the performance timeline says; `null` where there is none. */
  readonly loaded?: object | null
  readonly prerendering?: boolean
  /** Whether no second file can be loaded. */
  readonly blocked?: boolean
  readonly place?: TrackerPlace
  /** What the page has under the name `maicivy`. */
  readonly taken?: object
  /** Whether the page keeps cookies for scripts to read. */
  readonly cookies?: boolean
  readonly answer?: (batch: number, body: string, keepalive: unknown) => Answer
}

/** The tracker as it is at `/tracker.js`. */
export const USUAL: TrackerPlace = { basePath: "", script: "/tracker.js", events: null }

/** An element that selectors match by their texts. */
export class FakeElement {
  readonly #selectors: ReadonlyArray<string>
  readonly #attributes: { readonly [name: string]: string }
  readonly control: FakeElement | undefined

  constructor(
    selectors: ReadonlyArray<string>,
    attributes: { readonly [name: string]: string } = {},
    control?: FakeElement,
  ) {
    this.#selectors = selectors
    this.#attributes = attributes
    this.control = control
  }

  matches(selector: string): boolean {
    return selector.split(",").some((each) => this.#selectors.includes(each))
  }

  getAttribute(name: string): string | null {
    return this.#attributes[name] ?? null
  }

  hasAttribute(name: string): boolean {
    return name in this.#attributes
  }

  getBoundingClientRect() {
    return { x: 400, y: 480, width: 200, height: 40 }
  }
}

export class FakeForm extends FakeElement {}

/** A document whose cookies can be set and read, as browsers do it. */
const documentWith = (given: Given, location: { readonly href: string }) => {
  const jar = new Map<string, string>()
  const written: Array<string> = []
  return {
    written,
    currentScript: { src: "https://stats.example/tracker.js", dataset: given.attributes ?? {} },
    referrer: "https://search.example/",
    title: "CV",
    hidden: false,
    prerendering: given.prerendering ?? false,
    baseURI: location.href,
    documentElement: { scrollWidth: 1000, scrollHeight: 2000 },
    get cookie() {
      return [...jar].map(([name, value]) => `${name}=${value}`).join("; ")
    },
    set cookie(text: string) {
      written.push(text)
      const [pair = ""] = text.split(";")
      const [name = "", value = ""] = pair.split("=")
      if (given.cookies === false) return
      if (text.includes("max-age=0")) jar.delete(name)
      else jar.set(name, value)
    },
  }
}

export const page = (given: Given = {}) => {
  const sent: Array<Sent> = []
  const warnings: Array<string> = []
  const listeners = new Map<string, Array<(event: unknown) => void>>()
  const timers: Array<{ readonly action: () => void; readonly ms: number }> = []
  const clock = { now: 0 }
  const location = { href: given.href ?? "https://cv.example/", hash: "", host: "cv.example" }
  Object.assign(location, { protocol: new URL(location.href).protocol, hash: new URL(location.href).hash })
  const move = (_state: unknown, _title: string, url: string) => {
    location.href = new URL(url, location.href).href
  }
  const history = { pushState: move, replaceState: move }
  const window: { [name: string]: unknown } = given.taken === undefined ? {} : { maicivy: given.taken }
  const fetch = async (url: string, options: { body: string; [key: string]: unknown }) => {
    const {
      status,
      rejected = [],
      retryAfter,
      after,
    } = given.answer?.(sent.length + 1, options.body, options.keepalive) ?? {
      status: 201,
    }
    sent.push({ url, events: JSON.parse(options.body), options })
    return {
      status,
      headers: new Headers(retryAfter === undefined ? {} : { "Retry-After": retryAfter }),
      json: async () => {
        await after
        return status < 300 ? { data: { rejected } } : { error: `refused with ${status}`, code: "CODE" }
      },
    }
  }
  const listen = (name: string, action: (event: unknown) => void) => {
    listeners.set(name, [...(listeners.get(name) ?? []), action])
  }
  const document = Object.assign(documentWith(given, location), { addEventListener: listen })
  const { localStorage } = given
  const context = createContext({
    ...{ window, fetch, location, history, URL, Blob, crypto, Math, Object, Array, queueMicrotask, document },
    ...(localStorage && { localStorage }),
    ...{ Element: FakeElement, HTMLFormElement: FakeForm },
    console: { warn: (...parts: ReadonlyArray<unknown>) => warnings.push(parts.join(" ")) },
    navigator: given.navigator ?? {},
    screen: { width: 1440 },
    performance: {
      now: () => clock.now,
      getEntriesByType: () => (given.loaded === null ? [] : [given.loaded ?? {}]),
    },
    clearTimeout: () => {},
    setTimeout: (action: () => void, ms: number) => timers.push({ action, ms }),
    addEventListener: listen,
    ...{ scrollX: 0, scrollY: 500, innerHeight: 500 },
    load: async (url: string) => {
      if (given.blocked === true) throw new TypeError("blocked")
      const part = new URL(url).searchParams.get("part") === "options" ? "options" : "heatmap"
      const source = trackerPart(part, USUAL).toString()
      return {
        default: runInContext(
          `(()=>{${source.replace(/export\{(\w+) as default\}/, "return $1")}})()`,
          context,
        ),
      }
    },
  })
  const source = trackerPart("main", given.place ?? USUAL).toString()
  const load = () => runInContext(source.replace("import(", "load("), context)
  load()
  const call = (name: string, ...args: ReadonlyArray<unknown>) => {
    const api: unknown = window.maicivy
    if (typeof api !== "object" || api === null) throw new Error("no window.maicivy")
    Reflect.apply(Reflect.get(api, name), api, args)
  }
  const emit = (name: string, event: object = {}) => {
    for (const action of listeners.get(name) ?? []) action({ type: name, ...event })
  }
  return {
    ...{ sent, warnings, timers, clock, location, history, document, window, load, call, emit },
    events: () => sent.flatMap((each) => each.events),
    track: (type: unknown, data?: unknown) => call("track", type, data),
    settled: () => new Promise((resolve) => setImmediate(resolve)),
    /** As when the page is left. */
    leave: () => {
      document.hidden = true
      emit("visibilitychange")
    },
    /** A trusted click or submit on the first of these, which lie within each other. */
    act: (type: string, path: ReadonlyArray<FakeElement>, more: object = {}) =>
      emit(type, { isTrusted: true, detail: 1, pageX: 250, pageY: 1500, composedPath: () => path, ...more }),
  }
}
