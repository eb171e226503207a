/** The last chance to send: a process that ends, a page that is left. */

type Signal = "SIGTERM" | "SIGINT"

/** As far as it is used: the project's types are Node's. */
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
  /** Must do its work at once. May be called several times, for a page that is hidden may come back. */
  readonly page: () => void
}

/** Watches for the end of whatever the code runs in; gives what stops watching. */
export const onShutdown = (shutdown: Shutdown): (() => void) => {
  if (typeof document !== "undefined") return onPageLeft(document, shutdown.page)
  if (typeof process === "undefined" || typeof process.once !== "function") return () => {}
  return onProcessEnd(shutdown.process)
}

const onPageLeft = (page: Page, leave: () => void): (() => void) => {
  // On phones a hidden page may be ended without any further event.
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

/** What is to be done at the end of the process, of all clients: a signal's effect may come only after all of it. */
const ends = new Set<() => Promise<unknown>>()

const endAll = () => Promise.all([...ends].map((end) => end()))

const ended = (signal: Signal) => {
  // A listener takes the signal's own effect away. Where there is no other, the effect is given back afterwards.
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
