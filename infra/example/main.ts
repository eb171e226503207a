/**
 * A small site next to a running node that uses everything: the middleware counts the pages that the server sends, the
 * tracker counts what happens in them, and the client sends one of the server's own events.
 *
 *   npm start                                   # the node, at http://127.0.0.1:8080
 *   npm run example                             # the site, at http://127.0.0.1:3000
 *
 * `PORT` and `ANALYTICS_URL` change these. In your own project, import from "maicivy-analytics/sdk".
 */
import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Analytics, pageViews, visitorOf } from "../../src/sdk/index.ts"

const analyticsUrl = process.env.ANALYTICS_URL ?? "http://127.0.0.1:8080"
const port = Number(process.env.PORT ?? 3000)

const analytics = new Analytics({
  url: analyticsUrl,
  // Short, so that a click is on the dashboard within a second.
  flushIntervalMs: 100,
  onError: ({ code, eventType, message }) =>
    console.error(`${eventType} was not counted (${code}): ${message}`),
  onRetry: ({ reason, delayMs, waiting }) =>
    console.error(`${waiting} events wait ${Math.round(delayMs / 1000)} s: ${reason}`),
})

const track = pageViews(analytics)

const THEMES = ["light", "dark", "sepia"]

const file = (name: string) => readFileSync(new URL(`pages/${name}`, import.meta.url), "utf8")
const style = file("style.css")
const script = file("site.js")
const layout = file("layout.html").replaceAll("{{analytics}}", analyticsUrl)
const pages = new Map([
  ["/", { title: "Curriculum vitæ", content: file("cv.html") }],
  ["/letters", { title: "Letters", content: file("letters.html") }],
])

const answer = (response: ServerResponse, status: number, type: string, body: string) => {
  response.writeHead(status, { "Content-Type": `${type}; charset=utf-8` }).end(body)
}

const site = (request: IncomingMessage, response: ServerResponse) => {
  const url = new URL(request.url ?? "/", "http://localhost")
  if (request.method === "POST" && url.pathname === "/letters") {
    const asked = url.searchParams.get("type")
    const letterType = asked === "anti_motivation" ? asked : "motivation"
    analytics.track("letter_generate", { letter_type: letterType }, { visitorId: visitorOf(request) })
    return answer(response, 200, "application/json", JSON.stringify({ letter_type: letterType }))
  }
  if (url.pathname === "/static/style.css") return answer(response, 200, "text/css", style)
  if (url.pathname === "/static/site.js") return answer(response, 200, "text/javascript", script)
  const page = pages.get(url.pathname)
  if (page === undefined) return answer(response, 404, "text/html", "<!doctype html><title>Not found</title>")
  const asked = url.searchParams.get("theme") ?? ""
  const theme = THEMES.includes(asked) ? asked : "light"
  answer(
    response,
    200,
    "text/html",
    layout
      .replace("{{title}}", page.title)
      .replace("{{theme}}", theme)
      .replace("{{visitor}}", visitorOf(request) ?? "")
      .replace("{{content}}", page.content),
  )
}

const server = createServer((request, response) => track(request, response, () => site(request, response)))
server.listen(port, "127.0.0.1", () => {
  const address = server.address()
  const listening = typeof address === "object" && address !== null ? address.port : port
  console.log(`example  http://127.0.0.1:${listening}/\nsends to  ${analyticsUrl}`)
})
