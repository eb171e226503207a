/** A small HTTP client for senders: POST with keep-alive, responses read completely. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http"
import { Agent as HttpsAgent, request as httpsRequest } from "node:https"

export interface Answer {
  readonly status: number
  /** Seconds until the server accepts more, if it said so. */
  readonly retryAfter: number | null
  readonly body: string
}

export interface Poster {
  /** Sends a body. Rejects if the connection fails or stays silent: then it is unknown whether the body was accepted. */
  readonly post: (
    path: string,
    contentType: string,
    body: string,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Answer>
  readonly close: () => void
}

export interface PosterOptions {
  readonly url: URL
  /** The most connections; further posts wait for a free one. */
  readonly connections: number
  readonly writeKey: string | null
  /** Milliseconds without a byte after which a post fails. */
  readonly timeout: number
}

/**
 * `Retry-After` in seconds, given as a number or a date (RFC 9110, 10.2.3). A response without it may still say that the
 * sender's budget is used up, and until when.
 */
const retryAfterOf = (headers: IncomingMessage["headers"]): number | null => {
  const after = headers["retry-after"]
  if (after !== undefined && /^\d+$/.test(after)) return Number(after)
  if (after !== undefined && !Number.isNaN(Date.parse(after)))
    return Math.max(0, (Date.parse(after) - Date.now()) / 1000)
  const reset = headers["ratelimit-reset"]
  return headers["ratelimit-remaining"] === "0" && typeof reset === "string" && /^\d+$/.test(reset)
    ? Number(reset)
    : null
}

/** Opens a client for one server. */
export const openPoster = ({ url, connections, writeKey, timeout }: PosterOptions): Poster => {
  const secure = url.protocol === "https:"
  const pool = { keepAlive: true, maxSockets: connections, scheduling: "fifo" } as const
  const agent = secure ? new HttpsAgent(pool) : new HttpAgent(pool)
  const base = url.pathname.replace(/\/+$/, "")
  const authorization = writeKey === null ? {} : { authorization: `Bearer ${writeKey}` }

  const post: Poster["post"] = (path, contentType, body, headers = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const answered = (response: IncomingMessage) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("error", reject)
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: retryAfterOf(response.headers),
            body: Buffer.concat(chunks).toString("utf8"),
          }),
        )
      }
      const options = {
        agent,
        method: "POST",
        hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
        port: url.port,
        path: `${base}${path}`,
        timeout,
        headers: {
          "content-type": contentType,
          "content-length": Buffer.byteLength(body),
          ...authorization,
          ...headers,
        },
      }
      const sending = secure ? httpsRequest(options, answered) : httpRequest(options, answered)
      sending.on("timeout", () => sending.destroy(new Error(`no answer for ${Math.round(timeout / 1000)} s`)))
      sending.on("error", reject)
      sending.end(body)
    })

  return { post, close: () => agent.destroy() }
}
