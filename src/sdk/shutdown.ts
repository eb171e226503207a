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
  /** Awaited before a signal ends the process. */
  readonly process: () => Promise<unknown>
  /** Must do its work synchronously. May be called several times, because a hidden page may come back. */
  readonly page: () => void
}

/** Watches for the end of the process or page. Returns a function that stops watching. */
export const onShutdown = (shutdown: Shutdown): (() => void) => {
  if (typeof document !== "undefined") return onPageLeft(document, shutdown.page)
  if (typeof process === "undefined" || typeof process.once !== "function") return () => {}
  return onProcessEnd(shutdown.process)
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

/** The work of all clients at the end of the process: a signal may take effect only after all of it. */
const ends = new Set<() => Promise<unknown>>()

const endAll = () => Promise.all([...ends].map((end) => end()))

const ended = (signal: Signal) => {
  // A listener suppresses the signal's default effect. If there is no other listener, it is restored afterwards.
  const alone = process.listenerCount(signal) === 0
  void endAll().then(() => {
    if (alone) process.kill(process.pid, signal)
  })
}

const drained = () => void endAll()

const onProcessEnd = (end: () => Promise<unknown>): (() => void) => {
  if (ends.size === 0) {
    process.once("SIGTERM", ended)
    process.once("SIGINT", ended)
    process.once("beforeExit", drained)
  }
  ends.add(end)
  return () => {
    ends.delete(end)
    if (ends.size > 0) return
    process.off("SIGTERM", ended)
    process.off("SIGINT", ended)
    process.off("beforeExit", drained)
  }
}
