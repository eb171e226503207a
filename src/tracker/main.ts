/** The tracker: counts what happens on the page that has its tag. See docs/integration.md. */
import { followClicks } from "./clicks.ts"
import { core, track, whenShown } from "./core.ts"
import { send } from "./queue.ts"
import { data, script, source, warn } from "./tag.ts"
import type { Maicivy } from "./tracker.d.ts"
import { followViews, view } from "./views.ts"

/** Makes the global, unless the page uses its name, and the calls that a stub has kept. */
const offer = (api: Maicivy, early: Maicivy["queue"]) => {
  // An element with this id is a global, too, but no property of the window's own.
  if (!early && Object.hasOwn(window, "maicivy")) return warn("window.maicivy is taken")
  window.maicivy = api
  for (const [name, ...args] of early || []) (api[name] as (...args: ReadonlyArray<unknown>) => void)(...args)
}

const start = (_?: unknown) => {
  const early = window.maicivy?.queue
  // A second tag counts nothing twice; a stub has what we have, and a queue.
  if (!early && window.maicivy?.view) return
  addEventListener("visibilitychange", () => {
    if (document.hidden) {
      // Nobody may be there to read the answer to what is on its way.
      core.leave()
      send(1)
    }
  })
  addEventListener("online", send)
  followViews()
  followClicks()
  offer({ track, view, consent: (given) => core.consent?.(given) }, early)
}

/** Who looks at others' clicks on the page gets them in place of the tracker; who uses no option loads none. */
const part = /#maicivy-heatmap/.test(location.href)
  ? "heatmap"
  : /^(site|endpoint|credentials|,)*$/.test(`${Object.keys(data)}`) || "options"

if (!script) warn("no tag found")
else if (part === true) start()
// Without what the tag asks for, nothing is counted: it may be that somebody is not to be.
else
  import(`${new URL(`?part=${part}`, source)}`).then(
    (loaded) => whenShown(() => start(loaded.default(core))),
    warn,
  )
