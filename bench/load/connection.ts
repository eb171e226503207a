/** A keep-alive HTTP/1.1 connection that sends requests prepared as bytes: just what a load generator needs. */
import { connect, type Socket } from "node:net"

/** Called with the status of the answer, or 0 if the connection broke. */
export type Answered = (status: number) => void

const HEAD_END = "\r\n\r\n"
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)/i
const RECONNECT_MS = 100
/** Read buffer of all connections, bytes; a larger answer takes several reads. */
const shared = Buffer.allocUnsafe(256 * 1024)

/** The last answer's head and total length, because consecutive answers usually have the same. */
let known = { head: Buffer.alloc(0), length: 0 }

/** The length of the answer that begins here; `null` while its head is incomplete. */
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

/** The offset of the status in `HTTP/1.1 201 Created`. */
const statusOf = (bytes: Buffer): number => 100 * digit(bytes, 9) + 10 * digit(bytes, 10) + digit(bytes, 11)

export class Connection {
  readonly #port: number
  #socket: Socket
  #answered: Answered | null = null
  /** The beginning of an incomplete answer. */
  #rest: Buffer | null = null
  #closed = false

  constructor(port: number) {
    this.#port = port
    this.#socket = this.#open()
  }

  /** Sends one request. Send the next one only when it is answered. */
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
