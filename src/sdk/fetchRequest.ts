/** A request and its answer as the Fetch standard has them: Hono, Next.js, Bun, Deno, workers, edge functions. */
import type { Asked } from "./page.ts"
import { type OriginOptions, originOfHeaders, toldAddress } from "./pageRequest.ts"

/** The request of a fetch handler, with its client's address where the platform tells it. */
export const askedByFetch = (request: Request, address: string, options: OriginOptions): Asked => {
  const header = (name: string) => request.headers.get(name) ?? ""
  const url = new URL(request.url)
  const origin = originOfHeaders(header, url.protocol.slice(0, -1), url.host, options)
  return {
    method: request.method,
    url: new URL(`${origin}${url.pathname}${url.search}`),
    header,
    address: toldAddress(header, options) || address,
  }
}

const member = (of: unknown, name: string): unknown =>
  typeof of === "object" && of !== null ? Reflect.get(of, name) : undefined

/** The client's address, as Bun, Deno and Hono's server for Node tell it beside a request; empty where nobody does. */
export const addressBeside = (told: unknown, request: Request): string => {
  const server = member(told, "server") ?? told
  const ask = member(server, "requestIP")
  const peer =
    typeof ask === "function"
      ? member(Reflect.apply(ask, server, [request]), "address")
      : (member(member(server, "remoteAddr"), "hostname") ??
        member(member(member(server, "incoming"), "socket"), "remoteAddress"))
  return typeof peer === "string" ? peer : ""
}
