/** The files that browsers load: the dashboard and the tracker, read once and kept ready. */

import type { HttpRequest } from "uWebSockets.js"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import type { Exchange } from "../http/exchange.ts"

interface Asset {
  readonly type: string
  readonly plain: Buffer
  readonly gzipped: Buffer
  readonly etag: string
  readonly cacheControl: string
}

/** Seconds; a changed tracker reaches every page within this. */
const TRACKER_MAX_AGE_S = 3600

const asset = (path: string, type: string, cacheControl: string): Asset => {
  const plain = readFileSync(new URL(path, import.meta.url))
  const etag = createHash("sha256").update(plain).digest("base64url").slice(0, 22)
  return { type, plain, gzipped: gzipSync(plain, { level: 9 }), etag, cacheControl }
}

const JAVASCRIPT = "text/javascript; charset=utf-8"

/** Answers for the paths of {@link ASSET_PATHS}. */
export class Assets {
  readonly #assets = new Map<string, Asset>([
    ["/", asset("../../dashboard/built/index.html", "text/html; charset=utf-8", "no-cache")],
    ["/assets/dashboard.js", asset("../../dashboard/built/assets/dashboard.js", JAVASCRIPT, "no-cache")],
    [
      "/assets/dashboard.css",
      asset("../../dashboard/built/assets/dashboard.css", "text/css; charset=utf-8", "no-cache"),
    ],
    ["/tracker.js", asset("../../tracker/tracker.js", JAVASCRIPT, `public, max-age=${TRACKER_MAX_AGE_S}`)],
  ])

  answer(path: string, exchange: Exchange, req: HttpRequest) {
    const found = this.#assets.get(path)
    if (found === undefined) throw new Error(`no asset for the route ${path}`)
    // A compressed representation is another one, so it has another strong tag (RFC 9110 §8.8.3.3).
    const etag = `"${found.etag}${exchange.headers.gzip ? "-gzip" : ""}"`
    const lines = `ETag: ${etag}\r\nCache-Control: ${found.cacheControl}\r\nVary: Accept-Encoding\r\n`
    const asked = req.getHeader("if-none-match")
    if (
      asked !== "" &&
      (asked === "*" || asked.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag))
    )
      return exchange.empty("304 Not Modified", lines)
    if (exchange.headers.gzip)
      exchange.answer("200 OK", found.type, found.gzipped, {
        lines: `${lines}Content-Encoding: gzip\r\n`,
        page: true,
      })
    else exchange.answer("200 OK", found.type, found.plain, { lines, page: true })
  }
}

/** Paths and the names of their routes. */
export const ASSET_PATHS = [
  ["/", "dashboard"],
  ["/assets/dashboard.js", "dashboard"],
  ["/assets/dashboard.css", "dashboard"],
  ["/tracker.js", "tracker"],
] as const
