/** Static documents: the files that browsers load, and others that are made once. */

import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"
import type { AppConfig } from "../../config/settings.ts"
import { API_PATH, SETTINGS_PATHS } from "../../domain/paths.ts"
import type { Exchange } from "../http/exchange.ts"
import type { IncomingRequest } from "../http/wire.ts"

/** A changed tracker reaches every page within an hour. */
const TRACKER_CACHE = "public, max-age=3600"

/** Bytes up to which Brotli's best is made at the start: it takes long, and saves a page's visitors a tenth. */
const MAX_BROTLI_BYTES = 16 * 1024

/** How a document may be used. */
export interface Use {
  readonly cacheControl: string
  /** A browser may run it as part of a page. */
  readonly page: boolean
  /** Pages of other origins may load it, also those that are isolated (Cross-Origin-Embedder-Policy). */
  readonly shared?: boolean
}

/** A document that is the same for everybody: kept plain and compressed, with a tag that tells whether it has changed. */
export class Prepared {
  readonly #load: () => Buffer
  readonly #type: string
  readonly #use: Use
  #forms: Forms | null = null

  /** `load` is called at the first request. */
  constructor(load: () => Buffer, type: string, use: Use) {
    this.#load = load
    this.#type = type
    this.#use = use
  }

  /** Loads and compresses it, unless that has been done. */
  ready(): Forms {
    this.#forms ??= prepare(this.#load())
    return this.#forms
  }

  /** @param embedOn origins whose pages may show it in a frame; none by default */
  answer(exchange: Exchange, req: IncomingRequest, embedOn: ReadonlyArray<string> = []) {
    const { plain, br, gzip, tag } = this.ready()
    const { cacheControl, page, shared = false } = this.#use
    const coding = br !== null && exchange.headers.brotli ? "br" : exchange.headers.gzip ? "gzip" : null
    // A compressed representation is a different one, so it has a strong tag of its own (RFC 9110 §8.8.3.3).
    const etag = `"${tag}${coding === null ? "" : `-${coding}`}"`
    let lines = `ETag: ${etag}\r\nCache-Control: ${cacheControl}\r\n`
    if (shared) lines += "Cross-Origin-Resource-Policy: cross-origin\r\n"
    exchange.varies("Accept-Encoding")
    if (isKnown(req.getHeader("if-none-match"), etag)) return exchange.empty("304 Not Modified", lines)
    if (coding !== null) lines += `Content-Encoding: ${coding}\r\n`
    const body = coding === "br" && br !== null ? br : coding === null ? plain : gzip
    exchange.answer("200 OK", this.#type, body, { lines, page, embedOn })
  }
}

interface Forms {
  readonly plain: Buffer
  readonly gzip: Buffer
  /** `null` for a large document. */
  readonly br: Buffer | null
  readonly tag: string
}

const prepare = (plain: Buffer): Forms => ({
  plain,
  gzip: gzipSync(plain, { level: 9 }),
  br:
    plain.length > MAX_BROTLI_BYTES
      ? null
      : brotliCompressSync(plain, {
          params: {
            [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
            [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
          },
        }),
  tag: createHash("sha256").update(plain).digest("base64url").slice(0, 22),
})

/** Whether an `If-None-Match` names the tag (RFC 9110 §13.1.2: compared weakly). */
const isKnown = (asked: string, etag: string): boolean =>
  asked !== "" && (asked === "*" || asked.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag))

const JAVASCRIPT = "text/javascript; charset=utf-8"
const HTML = "text/html; charset=utf-8"

const bytesOf = (file: string): Buffer => readFileSync(new URL(file, import.meta.url))

const asset = (file: string, type: string): Prepared =>
  new Prepared(() => bytesOf(file), type, { cacheControl: "no-cache", page: true })

/** What the tracker is made of: the core, and what it loads of itself when it is needed. */
export type TrackerPart = "main" | "options" | "heatmap"

/** Where a tracker is, and where it sends its events. */
export interface TrackerPlace {
  readonly basePath: string
  /** Its own path, below the base path. */
  readonly script: string
  /** Where events go to, if that has been chosen; else it is the API. */
  readonly events: string | null
}

/** A part of the tracker. Only the node knows its own paths: a copy of the script may be anywhere. */
export const trackerPart = (part: TrackerPart, { basePath, script, events }: TrackerPlace): Buffer =>
  Buffer.from(
    bytesOf(`../../tracker/built/${part}.js`)
      .toString()
      .replace("{{script}}", script)
      // `data-endpoint` stands for the API's address, or for the path that was chosen.
      .replace("{{endpoint}}", basePath + (events ?? API_PATH))
      .replace("{{events}}", events === null ? "/events" : "")
      .replaceAll("{{api}}", basePath + API_PATH),
  )

/** The tracker, and its parts by the parameter `part` of the same path: whoever passes on the one passes on all. */
class Tracker {
  readonly #parts: ReadonlyMap<string | null, Prepared>
  readonly #main: Prepared

  constructor(place: TrackerPlace) {
    const use = { cacheControl: TRACKER_CACHE, page: true, shared: true }
    const prepared = (part: TrackerPart) => new Prepared(() => trackerPart(part, place), JAVASCRIPT, use)
    this.#main = prepared("main")
    this.#parts = new Map([
      ["options", prepared("options")],
      ["heatmap", prepared("heatmap")],
    ])
  }

  ready(): void {
    this.#main.ready()
    for (const part of this.#parts.values()) part.ready()
  }

  answer(exchange: Exchange, req: IncomingRequest): void {
    const part = this.#parts.get(new URLSearchParams(req.getQuery() ?? "").get("part")) ?? this.#main
    part.answer(exchange, req)
  }
}

interface Asset {
  readonly path: string
  /** The route's. */
  readonly name: string
  readonly file: Pick<Prepared, "answer"> & { readonly ready: () => unknown }
}

/** The path of the script that the dashboard's documents load. */
export const DASHBOARD_SCRIPT = "/assets/dashboard.js"

/** The pages of the dashboard: one document, which shows what its address says. */
const PAGES: ReadonlyArray<readonly [path: string, name: string]> = [
  ["/", "dashboard"],
  ["/live", "dashboard"],
  ...SETTINGS_PATHS.map((path) => [path, "settings"] as const),
]

/** The document of a page, whose own files are below the node wherever the page is. */
const page = (path: string): Prepared => {
  const html = () => bytesOf("../../dashboard/built/index.html")
  const below = path.split("/").length - 2
  const load = () =>
    Buffer.from(
      html()
        .toString()
        .replaceAll('"./', `"${"../".repeat(below)}`),
    )
  return new Prepared(below === 0 ? html : load, HTML, { cacheControl: "no-cache", page: true })
}

/** The files that browsers load. */
export const assets = ({
  basePath,
  scriptPath,
  eventPath,
}: Pick<AppConfig, "basePath" | "scriptPath" | "eventPath">): ReadonlyArray<Asset> => [
  ...PAGES.map(([path, name]) => ({ path, name, file: page(path) })),
  {
    path: DASHBOARD_SCRIPT,
    name: "dashboard",
    file: asset("../../dashboard/built/assets/dashboard.js", JAVASCRIPT),
  },
  {
    path: "/assets/world.txt",
    name: "dashboard",
    file: asset("../../dashboard/built/assets/world.txt", "text/plain; charset=utf-8"),
  },
  {
    path: "/assets/dashboard.css",
    name: "dashboard",
    file: asset("../../dashboard/built/assets/dashboard.css", "text/css; charset=utf-8"),
  },
  { path: "/login", name: "login", file: asset("../../login/login.html", HTML) },
  { path: "/assets/login.js", name: "login", file: asset("../../login/login.js", JAVASCRIPT) },
  {
    path: "/assets/login.css",
    name: "login",
    file: asset("../../login/login.css", "text/css; charset=utf-8"),
  },
  {
    path: "/tracker.js",
    name: "tracker",
    file: new Tracker({ basePath, script: "/tracker.js", events: null }),
  },
  {
    path: scriptPath,
    name: "tracker",
    file: new Tracker({ basePath, script: scriptPath, events: eventPath }),
  },
]
