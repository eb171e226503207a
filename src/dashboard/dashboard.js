// The live figures of a site (`?site=`), over the WebSocket; connects again, ever more patiently, when it is lost.

const MAX_EVENTS = 20
const FIRST_RETRY_MS = 500
const MAX_RETRY_MS = 15_000

const connection = document.getElementById("connection")
const events = document.getElementById("events")
const omitted = document.getElementById("omitted")
const number = new Intl.NumberFormat()
const site = new URLSearchParams(location.search).get("site")

let retryMs = FIRST_RETRY_MS

const showFigures = (data) => {
  for (const figure of document.querySelectorAll("[data-figure]"))
    figure.textContent = number.format(data[figure.dataset.figure] ?? 0)
}

const showEvent = (event) => {
  const row = document.createElement("li")
  for (const text of [new Date(event.timestamp).toLocaleTimeString(), event.type, event.page_url ?? ""]) {
    const cell = document.createElement("span")
    cell.textContent = text
    row.append(cell)
  }
  events.prepend(row)
  while (events.children.length > MAX_EVENTS) events.lastChild.remove()
}

const receive = (frame) => {
  if (frame.type === "initial_stats" || frame.type === "heartbeat" || frame.type === "stats_update") {
    showFigures(frame.data)
    if (frame.type === "stats_update")
      omitted.textContent = frame.omitted ? `… and ${number.format(frame.omitted.events)} more` : ""
  } else if (frame.type === "error") connection.textContent = frame.error
  else if (frame.visitor_id) showEvent(frame)
}

const connect = () => {
  const url = new URL("/ws/analytics", location.href)
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:"
  if (site) url.searchParams.set("site", site)
  const socket = new WebSocket(url)
  socket.addEventListener("open", () => {
    retryMs = FIRST_RETRY_MS
    connection.textContent = "Connected"
  })
  socket.addEventListener("message", (message) => receive(JSON.parse(message.data)))
  socket.addEventListener("close", () => {
    connection.textContent = "Connecting again …"
    // Spread out, so that a restarted server is not met by everybody at once.
    setTimeout(connect, retryMs * (0.5 + Math.random()))
    retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)
  })
}

connect()
