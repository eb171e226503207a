/** A keep-alive HTTP/1.1 connection that sends requests prepared as bytes: what a load generator needs and no more. */
import { connect, type Socket } from "node:net"

/** Told the status of the answer, 0 when the connection broke instead. */
export type Answered = (status: number) => void

const HEAD_END = "\r\n\r\n"
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)/i
const RECONNECT_MS = 100

export class Connection {
  readonly #port: number
  #socket: Socket
  #answered: Answered | null = null
  /** Of the answer that is arriving. */
  #text = ""
  #closed = false

  constructor(port: number) {
    this.#port = port
    this.#socket = this.#open()
  }

  /** Sends one request; the next one only when it is answered. */
  send(request: string, answered: Answered): void {
    this.#answered = answered
    this.#socket.write(request, "latin1")
  }

  close(): void {
    this.#closed = true
    this.#socket.destroy()
  }

  #open(): Socket {
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true })
    socket.on("data", (chunk) => this.#received(chunk))
    socket.on("error", () => {})
    socket.on("close", () => {
      if (this.#closed) return
      setTimeout(() => {
        if (!this.#closed) this.#socket = this.#open()
        this.#settle(0)
      }, RECONNECT_MS)
    })
    return socket
  }

  #received(chunk: Buffer): void {
    this.#text += chunk.toString("latin1")
    const head = this.#text.indexOf(HEAD_END)
    if (head < 0) return
    const length = Number(CONTENT_LENGTH.exec(this.#text.slice(0, head))?.[1] ?? 0)
    if (this.#text.length < head + HEAD_END.length + length) return
    this.#settle(Number(this.#text.slice(9, 12)))
  }

  #settle(status: number): void {
    this.#text = ""
    const answered = this.#answered
    this.#answered = null
    answered?.(status)
  }
}
