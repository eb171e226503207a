/**
 * A WebSocket client that only listens, cheap enough for a load generator to run thousands of them. It reads all sockets
 * into one buffer and parses frames in place. Handshake and frames follow RFC 6455.
 */
import { randomBytes } from "node:crypto"
import { connect, type Socket } from "node:net"

const HEAD_END = "\r\n\r\n"
const TEXT = 0x1
const CLOSE = 0x8
const PING = 0x9
const PONG = 0xa
/** Read buffer of all clients, bytes. */
const BUFFER_BYTES = 256 * 1024

const shared = Buffer.allocUnsafe(BUFFER_BYTES)

export interface FrameReaderOptions {
  readonly host: string
  readonly port: number
  /** Including the query. */
  readonly path: string
  readonly opened: () => void
  /** Called with a text frame, whose payload is `bytes` from `from` to `to`, valid until this returns. */
  readonly frame: (bytes: Buffer, from: number, to: number) => void
  /** Called with why the handshake failed, or `null` if the connection ended later. */
  readonly closed: (failure: string | null) => void
}

/** A pong with the ping's payload, masked with zeros as a client's frames must be. */
const pongOf = (payload: Buffer): Buffer =>
  Buffer.concat([Buffer.from([0x80 | PONG, 0x80 | payload.length, 0, 0, 0, 0]), payload])

export class FrameReader {
  readonly #options: FrameReaderOptions
  readonly #socket: Socket
  #isOpen = false
  /** The beginning of an incomplete frame. */
  #rest: Buffer | null = null

  constructor(options: FrameReaderOptions) {
    this.#options = options
    const { host, port, path } = options
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (read) => {
          this.#received(shared.subarray(0, read))
          return true
        },
      },
    })
    // An error is always followed by "close", which reports it.
    this.#socket.on("error", () => {})
    this.#socket.on("close", () => options.closed(this.#isOpen ? null : "the connection ended"))
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13${HEAD_END}`,
    )
  }

  /** Stops reading, though the connection stays open. */
  pause(): void {
    this.#socket.pause()
  }

  #received(chunk: Buffer): void {
    let bytes = chunk
    if (this.#rest !== null) {
      bytes = Buffer.concat([this.#rest, chunk])
      this.#rest = null
    }
    let at = 0
    if (!this.#isOpen) {
      const end = bytes.indexOf(HEAD_END)
      if (end < 0) {
        this.#rest = Buffer.from(bytes)
        return
      }
      if (!bytes.toString("latin1", 0, end).startsWith("HTTP/1.1 101 ")) {
        this.#socket.destroy()
        return
      }
      this.#isOpen = true
      this.#options.opened()
      at = end + HEAD_END.length
    }
    while (at < bytes.length) {
      const end = this.#frame(bytes, at)
      if (end === null) {
        this.#rest = Buffer.from(bytes.subarray(at))
        return
      }
      at = end
    }
  }

  /** Handles the frame at `at`. Returns where it ends, or `null` if it is incomplete. */
  #frame(bytes: Buffer, at: number): number | null {
    const left = bytes.length - at
    if (left < 2) return null
    const opcode = (bytes[at] ?? 0) & 0x0f
    let length = (bytes[at + 1] ?? 0) & 0x7f
    let from = at + 2
    if (length === 126) {
      if (left < 4) return null
      length = bytes.readUInt16BE(at + 2)
      from = at + 4
    } else if (length === 127) {
      if (left < 10) return null
      length = Number(bytes.readBigUInt64BE(at + 2))
      from = at + 10
    }
    const to = from + length
    if (to > bytes.length) return null
    if (opcode === TEXT) this.#options.frame(bytes, from, to)
    else if (opcode === PING) this.#socket.write(pongOf(bytes.subarray(from, to)))
    else if (opcode === CLOSE) this.#socket.end()
    return to
  }
}
