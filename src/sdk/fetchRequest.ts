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
