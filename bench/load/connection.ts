/** A keep-alive HTTP/1.1 connection that sends requests prepared as bytes: what a load generator needs and no more. */
import { connect, type Socket } from "node:net"

/** Told the status of the answer, 0 when the connection broke instead. */
export type Answered = (status: number) => void

const HEAD_END = "\r\n\r\n"
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)/i
const RECONNECT_MS = 100
/** Of the reads of all connections; a larger answer comes in several. */
const shared = Buffer.allocUnsafe(256 * 1024)

/** The last answer's head and its whole length: one answer after the other has the same ones. */
let known = { head: Buffer.alloc(0), length: 0 }

/** Bytes of the answer that begins here, or `null` as long as its head is not whole. */
const lengthOf = (bytes: Buffer): number | null => {
  const { head, length } = known
  if (head.length > 0 && bytes.length >= head.length && head.compare(bytes, 0, head.length) === 0)
    return length
  const end = bytes.indexOf(HEAD_END)
  if (end < 0) return null
  const body = Number(CONTENT_LENGTH.exec(bytes.toString("latin1", 0, end))?.[1] ?? 0)
  const from = end + HEAD_END.length
  known = { head: Buffer.from(bytes.subarray(0, from)), length: from + body }
  return known.length
}

const digit = (bytes: Buffer, at: number): number => (bytes[at] ?? 48) - 48

/** Of `HTTP/1.1 201 Created`. */
const statusOf = (bytes: Buffer): number => 100 * digit(bytes, 9) + 10 * digit(bytes, 10) + digit(bytes, 11)

export class Connection {
  readonly #port: number
  #socket: Socket
  #answered: Answered | null = null
  /** The beginning of an answer whose end has not come yet. */
  #rest: Buffer | null = null
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
    const socket = connect({
      port: this.#port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (read) => {
          this.#received(shared.subarray(0, read))
          return true
        },
      },
    })
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
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk])
    const length = lengthOf(bytes)
    if (length === null || bytes.length < length) this.#rest = Buffer.from(bytes)
    else this.#settle(statusOf(bytes))
  }

  #settle(status: number): void {
    this.#rest = null
    const answered = this.#answered
    this.#answered = null
    answered?.(status)
  }
}
