/** Static documents: the files that browsers load, and others that are made once. */

import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import type { AppConfig } from "../../config/settings.ts"
import { API_PATH } from "../../domain/paths.ts"
import type { Exchange } from "../http/exchange.ts"
import type { IncomingRequest } from "../http/wire.ts"

/** A changed tracker reaches every page within an hour. */
const TRACKER_CACHE = "public, max-age=3600"

/** A document that is the same for everybody: kept plain and compressed, with a tag that tells whether it has changed. */
export class Prepared {
  readonly #load: () => Buffer
  readonly #type: string
  readonly #cacheControl: string
  readonly #page: boolean
  #bytes: { readonly plain: Buffer; readonly gzipped: Buffer; readonly tag: string } | null = null

  /** `load` is called at the first request. `page`: a browser may run it as part of a page. */
  constructor(load: () => Buffer, type: string, cacheControl: string, page: boolean) {
    this.#load = load
    this.#type = type
    this.#cacheControl = cacheControl
    this.#page = page
  }

  /** Loads and compresses it, unless that has been done. */
  ready() {
    this.#bytes ??= prepare(this.#load())
    return this.#bytes
  }

  answer(exchange: Exchange, req: IncomingRequest) {
    const { plain, gzipped, tag } = this.ready()
    const compressed = exchange.headers.gzip
    // A compressed representation is a different one, so it has a strong tag of its own (RFC 9110 §8.8.3.3).
    const etag = `"${tag}${compressed ? "-gzip" : ""}"`
    const lines = `ETag: ${etag}\r\nCache-Control: ${this.#cacheControl}\r\n`
    exchange.varies("Accept-Encoding")
    if (isKnown(req.getHeader("if-none-match"), etag)) return exchange.empty("304 Not Modified", lines)
    exchange.answer("200 OK", this.#type, compressed ? gzipped : plain, {
      lines: compressed ? `${lines}Content-Encoding: gzip\r\n` : lines,
      page: this.#page,
    })
  }
}

const prepare = (plain: Buffer) => ({
  plain,
  gzipped: gzipSync(plain, { level: 9 }),
  tag: createHash("sha256").update(plain).digest("base64url").slice(0, 22),
})

/** Whether an `If-None-Match` names the tag (RFC 9110 §13.1.2: compared weakly). */
const isKnown = (asked: string, etag: string): boolean =>
  asked !== "" && (asked === "*" || asked.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag))

const JAVASCRIPT = "text/javascript; charset=utf-8"

const bytesOf = (file: string): Buffer => readFileSync(new URL(file, import.meta.url))

const asset = (file: string, type: string): Prepared =>
  new Prepared(() => bytesOf(file), type, "no-cache", true)

/**
 * The tracker, which sends to the API of the origin that it was loaded from. Only the node knows under which path that lies:
 * a copy of the script may be anywhere.
 */
const tracker = (basePath: string): Buffer =>
  Buffer.from(
    bytesOf("../../tracker/tracker.js").toString().replace(`"${API_PATH}"`, `"${basePath}${API_PATH}"`),
  )

/** The same, which sends everything to the path that was chosen for events, and asks there for the time. */
export const namedTracker = (basePath: string, eventPath: string): Buffer =>
  Buffer.from(
    bytesOf("../../tracker/tracker.js")
      .toString()
      .replace(`"${API_PATH}"`, `"${basePath}${eventPath}"`)
      .replaceAll(/`\$\{api\}\/(?:events|realtime)`/g, "api"),
  )

interface Asset {
  readonly path: string
  /** The route's. */
  readonly name: string
  readonly file: Prepared
}

/** The files that browsers load. */
export const assets = ({
  basePath,
  scriptPath,
  eventPath,
}: Pick<AppConfig, "basePath" | "scriptPath" | "eventPath">): ReadonlyArray<Asset> => [
  {
    path: "/",
    name: "dashboard",
    file: asset("../../dashboard/built/index.html", "text/html; charset=utf-8"),
  },
  {
    path: "/assets/dashboard.js",
    name: "dashboard",
    file: asset("../../dashboard/built/assets/dashboard.js", JAVASCRIPT),
  },
  {
    path: "/assets/dashboard.css",
    name: "dashboard",
    file: asset("../../dashboard/built/assets/dashboard.css", "text/css; charset=utf-8"),
  },
  {
    path: "/tracker.js",
    name: "tracker",
    file: new Prepared(() => tracker(basePath), JAVASCRIPT, TRACKER_CACHE, true),
  },
  {
    path: scriptPath,
    name: "tracker",
    file: new Prepared(() => namedTracker(basePath, eventPath), JAVASCRIPT, TRACKER_CACHE, true),
  },
]
