// Sends a page_view for every page a visitor sees: on loading, and on navigation within the page.
//
//   <script async src="https://analytics.example/tracker.js" data-site="main"></script>
//
// `data-site` names the site (the default one otherwise), `data-credentials="omit"` leaves the session cookie at home.
// Pages may send events of their own: maicivy.track("pdf_download", { file: "cv" }).
;(() => {
  const script = document.currentScript
  if (!script || window.maicivy) return
  const endpoint = new URL("/api/v1/analytics/event", script.src).href
  const site = script.dataset.site
  const credentials = script.dataset.credentials || "include"
  const RETRIES = 2
  const RETRY_MS = 2000

  // randomUUID exists on secure pages only.
  const uuid = () =>
    crypto.randomUUID
      ? crypto.randomUUID()
      : "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
          (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16),
        )

  // The id makes sending again safe: an event that did arrive is counted once.
  const send = (body, retries) => {
    // text/plain needs no CORS preflight.
    const options = {
      method: "POST",
      body,
      keepalive: true,
      credentials,
      headers: { "Content-Type": "text/plain" },
    }
    if (!window.fetch) {
      navigator.sendBeacon?.(endpoint, body)
      return
    }
    const again = () => {
      if (retries > 0) setTimeout(() => send(body, retries - 1), RETRY_MS * (1 + Math.random()))
    }
    fetch(endpoint, options).then((answer) => {
      if (answer.status === 503) again()
    }, again)
  }

  // Without a timestamp: the server's clock is right, visitors' clocks often are not.
  const track = (type, data) => {
    const event = {
      event_type: type,
      id: uuid(),
      page_url: location.href,
      referrer: previous || undefined,
      event_data: data,
      site,
    }
    send(JSON.stringify(event), RETRIES)
  }

  let current = ""
  let previous = document.referrer
  const view = () => {
    if (location.href === current) return
    if (current) previous = current
    current = location.href
    track("page_view")
  }

  const pushState = history.pushState
  history.pushState = function (...args) {
    pushState.apply(this, args)
    view()
  }
  addEventListener("popstate", view)
  // A page that is rendered ahead of time is seen when it is activated.
  if (document.prerendering) document.addEventListener("prerenderingchange", view, { once: true })
  else view()

  window.maicivy = { track }
})()
