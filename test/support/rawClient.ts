/** HTTP by hand, for requests that no client library would send. */
import { connect, type Socket } from "node:net"

export interface RawAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
}

const parse = (text: string): RawAnswer => {
  const at = text.indexOf("\r\n\r\n")
  return { status: Number(text.slice(9, 12)), head: text.slice(0, at), body: text.slice(at + 4) }
}

/** A connection that keeps what it has received. */
export class RawConnection {
  readonly socket: Socket
  received = ""
  closed = false
  readonly #closing: Promise<void>

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1")
    this.socket.setEncoding("latin1")
    this.socket.on("data", (text) => {
      this.received += text
    })
    this.socket.on("error", () => {})
    this.#closing = new Promise((resolve) => {
      this.socket.on("close", () => {
        this.closed = true
        resolve()
      })
    })
  }

  write(data: string | Uint8Array): void {
    this.socket.write(data)
  }

  /** The next answer with a Content-Length, taken out of what was received. */
  async answer(): Promise<RawAnswer> {
    for (;;) {
      const at = this.received.indexOf("\r\n\r\n")
      if (at >= 0) {
        const length = /content-length: (\d+)/i.exec(this.received.slice(0, at))?.[1]
        const end = at + 4 + Number(length ?? 0)
        if (length !== undefined && this.received.length >= end) {
          const answer = parse(this.received.slice(0, end))
          this.received = this.received.slice(end)
          return answer
        }
      }
      if (this.closed) return parse(this.received)
      await new Promise<void>((resolve) => {
        this.socket.once("data", () => resolve())
        this.socket.once("close", () => resolve())
      })
    }
  }

  whenClosed(): Promise<void> {
    return this.#closing
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

/** Sends one request as it is and returns its answer. */
export const raw = async (port: number, request: string | Uint8Array): Promise<RawAnswer> => {
  using connection = new RawConnection(port)
  connection.write(request)
  return await connection.answer()
}

/** A POST of `/event` with these header lines (each without its CRLF) and body. */
export const rawEvent = (lines: ReadonlyArray<string>, body: string): string =>
  `POST /api/v1/analytics/event HTTP/1.1\r\n${["Host: x", ...lines].join("\r\n")}\r\n\r\n${body}`
