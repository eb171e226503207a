/** A client of what lies behind a proxy with TLS: over HTTP/1.1 and HTTP/2, from any address of the loopback. */
import { connect } from "node:http2"
import { request } from "node:https"
import { onTestFinished } from "vitest"
import WebSocket from "ws"

export interface EdgeAnswer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | ReadonlyArray<string>>
  readonly body: string
}

export interface EdgeRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Where the client is, such as `127.0.0.2`. */
  readonly from?: string
  readonly http2?: boolean
}

export class Edge {
  readonly #port: number
  readonly #tls: { readonly ca: string; readonly servername: string }
  readonly #host: string

  /** @param ca the certificate of the authority, PEM */
  constructor(port: number, ca: string) {
    this.#port = port
    this.#tls = { ca, servername: "localhost" }
    this.#host = `localhost:${port}`
  }

  get origin(): string {
    return `https://${this.#host}`
  }

  ask(path: string, options: EdgeRequest = {}): Promise<EdgeAnswer> {
    return options.http2 === true ? this.#overHttp2(path, options) : this.#overHttp1(path, options)
  }

  #overHttp1(path: string, { method = "GET", headers, body, from }: EdgeRequest): Promise<EdgeAnswer> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          ...this.#tls,
          ...{ host: "127.0.0.1", port: this.#port, path, method, agent: false },
          ...(from !== undefined && { localAddress: from }),
          headers: { host: this.#host, ...headers },
        },
        (answer) => {
          let text = ""
          answer.setEncoding("utf8")
          answer.on("data", (part: string) => {
            text += part
          })
          answer.once("end", () =>
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }),
          )
          answer.once("error", reject)
        },
      )
      sent.once("error", reject)
      sent.end(body)
    })
  }

  #overHttp2(path: string, { method = "GET", headers, body, from }: EdgeRequest): Promise<EdgeAnswer> {
    const session = connect(`https://127.0.0.1:${this.#port}`, {
      ...this.#tls,
      ...(from !== undefined && { localAddress: from }),
    })
    const answer = new Promise<EdgeAnswer>((resolve, reject) => {
      session.once("error", reject)
      const sent = session.request({
        ...{ ":path": path, ":method": method, ":authority": this.#host },
        ...(body !== undefined && { "content-length": Buffer.byteLength(body) }),
        ...headers,
      })
      let status = 0
      let text = ""
      sent.setEncoding("utf8")
      sent.once("response", (given) => {
        status = given[":status"] ?? 0
      })
      sent.on("data", (part: string) => {
        text += part
      })
      sent.once("error", reject)
      sent.once("end", () => resolve({ status, headers: {}, body: text }))
      sent.end(body)
    })
    return answer.finally(() => session.destroy())
  }

  /** A WebSocket that keeps its frames, closed after the test. */
  webSocket(path: string, origin: string, from = "127.0.0.1"): EdgeSocket {
    const socket = new WebSocket(`wss://127.0.0.1:${this.#port}${path}`, {
      ...this.#tls,
      origin,
      localAddress: from,
      headers: { host: this.#host },
    })
    return new EdgeSocket(socket)
  }
}

export class EdgeSocket {
  /** Types of the frames so far. */
  readonly frames: Array<string> = []
  /** How it ended: a close code, or the status of a refused upgrade. */
  ended: number | null = null

  constructor(socket: WebSocket) {
    socket.on("message", (data: Buffer) => {
      const frame: unknown = JSON.parse(data.toString())
      this.frames.push(String(Reflect.get(Object(frame), "type")))
    })
    socket.on("unexpected-response", (_, answer) => {
      this.ended = answer.statusCode ?? 0
    })
    socket.on("close", (code: number) => {
      this.ended ??= code
    })
    socket.on("error", () => {
      this.ended ??= 0
    })
    onTestFinished(() => socket.terminate())
  }
}
