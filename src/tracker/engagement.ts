/** How long a page was used, and how much of it was seen. */
import type { Core } from "./core.ts"

/** Milliseconds without a sign of life after which nobody is thought to read. */
const IDLE_MS = 60_000

/**
 * Sends one event when a view ends, and another only if whoever left has come back to it. Who falls asleep over it has left: the page
 * may be closed on another day.
 */
export const followEngagement = ({ track, leaving }: Core): void => {
  let [last, engaged, depth, timer, awake, told]: [number, number, number, number, boolean?, boolean?] = [
    0, 0, 0, 0,
  ]

  const tick = () => {
    const now = performance.now()
    if (awake) engaged += Math.min(now - last, IDLE_MS)
    last = now
    depth = Math.max(depth, (100 * (scrollY + innerHeight)) / document.documentElement.scrollHeight)
  }
  const live = () => {
    tick()
    awake = !document.hidden
    clearTimeout(timer)
    timer = setTimeout(tell, IDLE_MS)
  }
  const tell = (over?: boolean) => {
    tick()
    if (!told || engaged > 999)
      track("engagement", { seconds: Math.round(engaged / 1000), scroll: Math.min(100, Math.round(depth)) })
    told = !over
    awake = false
    engaged = 0
    if (over) {
      depth = 0
      live()
    }
  }

  live()
  leaving.push(tell)
  for (const type of ["pointerdown", "pointermove", "keydown", "scroll", "visibilitychange"])
    document.addEventListener(type, live, true)
}
