/** A small HTTP client for senders: POST with keep-alive, answers read whole. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http"
import { Agent as HttpsAgent, request as httpsRequest } from "node:https"

export interface Answer {
  readonly status: number
  /** Seconds, when the server named them. */
  readonly retryAfter: number | null
  readonly body: string
}

export interface Poster {
  /** Sends a body. Rejects when the connection fails or is silent for too long: then it is unknown whether it was taken. */
  readonly post: (path: string, contentType: string, body: string) => Promise<Answer>
  readonly close: () => void
}

export interface PosterOptions {
  readonly url: URL
  /** Connections at most; further posts wait for a free one. */
  readonly connections: number
  readonly writeKey: string | null
  /** Milliseconds without a byte after which a post fails. */
  readonly timeout: number
}

/** `Retry-After` in seconds: a number, or a date (RFC 9110, 10.2.3). */
const retryAfterOf = (header: string | undefined): number | null => {
  if (header === undefined) return null
  if (/^\d+$/.test(header)) return Number(header)
  const at = Date.parse(header)
  return Number.isNaN(at) ? null : Math.max(0, (at - Date.now()) / 1000)
}

/** Opens a client for one server. */
export const openPoster = ({ url, connections, writeKey, timeout }: PosterOptions): Poster => {
  const secure = url.protocol === "https:"
  const pool = { keepAlive: true, maxSockets: connections, scheduling: "fifo" } as const
  const agent = secure ? new HttpsAgent(pool) : new HttpAgent(pool)
  const base = url.pathname.replace(/\/+$/, "")
  const authorization = writeKey === null ? {} : { authorization: `Bearer ${writeKey}` }

  const post = (path: string, contentType: string, body: string) =>
    new Promise<Answer>((resolve, reject) => {
      const answered = (response: IncomingMessage) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("error", reject)
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: retryAfterOf(response.headers["retry-after"]),
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
        },
      }
      const sending = secure ? httpsRequest(options, answered) : httpRequest(options, answered)
      sending.on("timeout", () => sending.destroy(new Error(`no answer for ${Math.round(timeout / 1000)} s`)))
      sending.on("error", reject)
      sending.end(body)
    })

  return { post, close: () => agent.destroy() }
}
