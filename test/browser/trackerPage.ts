/** A site that only the tracker counts, and what stands between it and the node. */
import { createServer, type OutgoingHttpHeaders, request } from "node:http"
import { listen } from "../support/listen.ts"

/** What stands between the pages and the node, so that answers can be held, refused or lost. */
export interface Gate {
  readonly url: string
  /** Batches that have arrived. */
  readonly batches: () => number
  /** What happens to batches: passed on, refused with 503, passed on with the answer held until {@link release}, or never answered. */
  mode: "pass" | "refuse" | "hold" | "drop"
  readonly release: () => void
}

/** A gate to a node; `/page` is a page of this HTML, on the origin that the node has then. */
export const gate = async (node: string, page = ""): Promise<Gate> => {
  let batches = 0
  let held: Array<() => void> = []
  const server = createServer((incoming, outgoing) => {
    if (incoming.url === "/page") {
      outgoing.writeHead(200, { "Content-Type": "text/html; charset=utf-8" })
      return outgoing.end(`<!doctype html><link rel="icon" href="data:,">${page}`)
    }
    const isBatch = incoming.url?.includes("/events") === true && incoming.method === "POST"
    if (isBatch) batches++
    const { mode } = state
    if (isBatch && mode === "refuse") {
      incoming.resume()
      const origin = incoming.headers.origin ?? "*"
      outgoing.writeHead(503, {
        "Retry-After": "1",
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "Retry-After",
      })
      return outgoing.end("{}")
    }
    const { method, headers } = incoming
    if (isBatch && mode === "drop") return incoming.resume()
    // Not over a connection that was used before: the node may be about to end it.
    const how = { method: method ?? "GET", headers, agent: false }
    const onward = request(`${node}${incoming.url}`, how, (answer) => {
      const pass = () => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      }
      if (isBatch && mode === "hold") held.push(pass)
      else pass()
    })
    onward.on("error", () => outgoing.destroy())
    incoming.pipe(onward)
  })
  const url = await listen(server)
  const state: Gate = {
    url,
    batches: () => batches,
    mode: "pass",
    release: () => {
      for (const pass of held) pass()
      held = []
    },
  }
  return state
}

/** A page: its HTML, and header lines that it comes with. */
export interface Document {
  readonly html: string
  readonly headers?: OutgoingHttpHeaders
  readonly status?: number
}

/** A site of these pages by their paths, `*` being all others. `/asked?<path>` tells whether a path has been asked for, and answered. */
export const siteOf = async (pages: { readonly [path: string]: Document | string }): Promise<string> => {
  const asked: Array<string> = []
  const server = createServer((incoming, outgoing) => {
    const [path = "/", query = ""] = incoming.url?.split("?") ?? []
    if (path === "/asked") return outgoing.end(asked.includes(query) ? "yes" : "no")
    // Its answer is on its way then.
    outgoing.once("finish", () => asked.push(path))
    const found = pages[path] ?? pages["*"] ?? { html: "", status: 404 }
    const { html, headers = {}, status = 200 } = typeof found === "string" ? { html: found } : found
    outgoing.writeHead(status, { "Content-Type": "text/html; charset=utf-8", ...headers })
    outgoing.end(`<!doctype html><title>${path}</title><link rel="icon" href="data:,">${html}`)
  })
  return listen(server)
}

/** A site of two pages that only the tracker counts. `attributes` are those of its tag. */
export const pages = async (analytics: string, attributes = "", script = "/tracker.js"): Promise<string> => {
  return siteOf({
    "*": `<style>body { margin: 0; position: relative; height: 2000px } #middle { position: absolute; left: 0; top: 990px; width: 100%; height: 20px }</style>
      <a id="next" href="/next">Next</a>
      <button id="middle">Middle</button>
      <button id="pdf" data-maicivy-event="pdf_download" data-maicivy-data='{"file":"cv"}'>PDF</button>
      <script src="${analytics}${script}" ${attributes}></script>`,
  })
}
