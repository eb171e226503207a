// See docs/integration.md. Long: one function makes one global.
;(() => {
  const script = document.currentScript
  if (!script || window.maicivy) return
  const options = script.dataset
  const api = new URL(options.endpoint || "/api/v1/analytics", script.src)
  const off = "respectDnt" in options && (navigator.doNotTrack === "1" || navigator.globalPrivacyControl)
  // randomUUID needs TLS.
  const uuid = () => crypto.randomUUID?.() || URL.createObjectURL(new Blob()).slice(-36)
  const now = () => performance.now()

  let visitor
  if (!off && "cookie" in options) {
    visitor = /maicivy_session=([\da-f-]{36})/.exec(document.cookie)?.[1] || uuid()
    const secure = /^https/.test(location.href) ? ";secure" : ""
    Object.assign(document, {
      cookie: `maicivy_session=${visitor};path=/;max-age=2592000;samesite=lax${secure}`,
    })
  }

  let waiting = []
  let flying = []
  let pause
  let failures = 0

  const send = async (leaving) => {
    clearTimeout(pause)
    pause = 0
    // Nobody reads the response.
    const sent = leaving ? [...flying, ...waiting] : waiting
    if (!sent[0]) return
    waiting = []
    flying = [...flying, ...sent]
    let again = sent
    let wait = Math.min(2 ** ++failures, 60)
    try {
      // Clocks can be wrong.
      let time
      if (!leaving && now() - sent[0].at > 2000)
        time = (await (await fetch(`${api}/realtime`)).json()).data.timestamp * 1000 - now()
      const body = JSON.stringify(
        sent.map(({ at, ...event }) => ({ ...event, timestamp: time && Math.round(time + at) })),
      )
      const answer = await fetch(`${api}/events`, {
        method: "POST",
        body,
        keepalive: body.length < 6e4,
        credentials: options.credentials || "include",
        headers: { "Content-Type": "text/plain" },
      })
      wait = +answer.headers.get("Retry-After") || wait
      if (!/429|5(?!0[15])../.test(answer.status)) again = []
      for (const { index, code } of (await answer.json()).data.rejected)
        if (/LIMITED|UNAVAILABLE|FULL/.test(code)) again.push(sent[index])
    } catch {}
    flying = flying.filter((event) => !sent.includes(event))
    waiting = [...again, ...waiting].slice(-100)
    if (again[0]) {
      clearTimeout(pause)
      pause = setTimeout(send, wait * 1000 * (1 + Math.random() / 4))
    } else failures = 0
  }

  let page
  let theme
  let referrer = document.referrer || undefined

  const track = (event_type, event_data) => {
    if (off) return
    waiting.push({
      event_type,
      event_data,
      id: uuid(),
      page_url: page,
      referrer,
      title: document.title,
      screen: screen.width,
      site: options.site,
      visitor_id: visitor,
      at: now(),
    })
    if (!pause) queueMicrotask(send)
  }

  const view = (known) => {
    const [url] = location.href.split("#")
    const last = theme
    theme = new URL(url).searchParams.get("theme")
    if (url === page) return
    referrer = page || referrer
    page = url
    if (known) return
    track("page_view")
    if (theme && theme !== last) track("cv_theme_change", { theme })
  }
  for (const name of ["pushState", "replaceState"]) {
    const change = history[name]
    history[name] = (...args) => {
      change.apply(history, args)
      view()
    }
  }
  addEventListener("popstate", () => view())
  addEventListener("online", () => send())
  addEventListener("pagehide", () => send(true))
  // A prerendered page counts when it is shown.
  if (document.prerendering) document.addEventListener("prerenderingchange", () => view())
  else view(options.firstView === "server")

  const act = ({ type, isTrusted, target, detail, pageX, pageY }) => {
    if (!isTrusted) return
    const submit = type === "submit"
    const own = target.closest("[data-maicivy-event]")
    if (own && submit === (own.tagName === "FORM"))
      track(own.dataset.maicivyEvent, JSON.parse(own.dataset.maicivyData || "{}"))
    const clicked = target.closest("a[href],button,summary,[role=button],[type=submit]")
    if (submit || !clicked) return
    // A keyboard click has no position.
    const { x, y, width, height } = clicked.getBoundingClientRect()
    const { scrollWidth, scrollHeight } = document.documentElement
    track(clicked.href ? "link_click" : "button_click", {
      x: Math.round((100 * (detail ? pageX : x + width / 2 + scrollX)) / scrollWidth),
      y: Math.round((100 * (detail ? pageY : y + height / 2 + scrollY)) / scrollHeight),
    })
  }
  document.addEventListener("click", act, true)
  document.addEventListener("submit", act, true)

  window.maicivy = { track }
})()
