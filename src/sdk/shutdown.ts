/** The last chance to send: a process that ends, a page that is left. */

type Signal = "SIGTERM" | "SIGINT"

/** The parts of the DOM that are used, because the project's types are Node's. */
interface Page {
  readonly visibilityState: string
  addEventListener(type: string, listener: () => void): void
  removeEventListener(type: string, listener: () => void): void
}
declare const document: Page | undefined
declare const window: Page

export interface Shutdown {
  /** Awaited before a signal ends the process, or when it has nothing left to do: no event comes afterwards. */
  readonly close: () => Promise<unknown>
  /** Where the host decides when the process ends: events may come until then. */
  readonly flush: () => Promise<unknown>
  /** Must do its work synchronously. May be called several times, because a hidden page may come back. */
  readonly page: () => void
}

/** Watches for the end of the process or page. Returns a function that stops watching. */
export const onShutdown = (shutdown: Shutdown): (() => void) => {
  if (typeof document !== "undefined") return onPageLeft(document, shutdown.page)
  if (typeof process === "undefined" || typeof process.on !== "function") return () => {}
  return onProcessEnd(shutdown)
}

const onPageLeft = (page: Page, leave: () => void): (() => void) => {
  // On phones, a hidden page may be killed without any further event.
  const hidden = () => {
    if (page.visibilityState === "hidden") leave()
  }
  page.addEventListener("visibilitychange", hidden)
  window.addEventListener("pagehide", leave)
  return () => {
    page.removeEventListener("visibilitychange", hidden)
    window.removeEventListener("pagehide", leave)
  }
}

type ProcessEnd = Pick<Shutdown, "close" | "flush">

/** All clients of the process: a signal may take effect only after the work of all of them. */
interface Clients {
  readonly ends: Set<ProcessEnd>
  readonly listeners: ReadonlyArray<readonly [Signal | "beforeExit", (signal: unknown) => void]>
}

/** The package may be there twice, as two versions, or as a module and for `require`: each would wait for the other. */
const SHARED = Symbol.for("maicivy-analytics.clients")

/** A library that many others use to clean up, and that waits until only its own listeners are left (npm's signal-exit). */
const SIGNAL_EXIT = Symbol.for("signal-exit emitter")

const countIn = (holder: object, key: string | symbol): number => {
  const emitter: unknown = Reflect.get(holder, key)
  const count: unknown = typeof emitter === "object" && emitter !== null ? Reflect.get(emitter, "count") : 0
  return typeof count === "number" ? count : 0
}

/** Listeners of a signal that end nothing by themselves: ours, and those of libraries that wait for everybody else. */
const waiting = (ours: number): number =>
  ours + countIn(globalThis, SIGNAL_EXIT) + countIn(process, "__signal_exit_emitter__")

const newClients = (): Clients => {
  const ends = new Set<ProcessEnd>()
  const closeAll = () => Promise.all([...ends].map(({ close }) => close()))
  const signals = new Set<unknown>()
  const ended = (received: unknown) => {
    const signal = received === "SIGINT" ? "SIGINT" : "SIGTERM"
    // If nobody else handles the signal, its effect is restored afterwards; else the host ends the process when it likes.
    if (process.listenerCount(signal) > waiting(1)) {
      for (const { flush } of ends) void flush()
      return
    }
    const resend = () => {
      process.off(signal, ended)
      process.kill(process.pid, signal)
    }
    // Whoever asks twice does not want to wait.
    if (signals.has(signal)) return resend()
    signals.add(signal)
    void closeAll().then(resend)
  }
  return {
    ends,
    listeners: [
      ["SIGTERM", ended],
      ["SIGINT", ended],
      ["beforeExit", () => void closeAll()],
    ],
  }
}

const isClients = (value: unknown): value is Clients =>
  typeof value === "object" && value !== null && "ends" in value && "listeners" in value

const clientsOfProcess = (): Clients => {
  const present: unknown = Reflect.get(globalThis, SHARED)
  if (isClients(present)) return present
  const clients = newClients()
  Reflect.set(globalThis, SHARED, clients)
  return clients
}

const onProcessEnd = (end: ProcessEnd): (() => void) => {
  const { ends, listeners } = clientsOfProcess()
  if (ends.size === 0) for (const [event, listener] of listeners) process.on(event, listener)
  ends.add(end)
  return () => {
    ends.delete(end)
    if (ends.size === 0) for (const [event, listener] of listeners) process.off(event, listener)
  }
}
