/** Dashboards: well-behaved ones that reconnect, and one that never reads. */
import { randomBytes } from "node:crypto"
import { createConnection, type Socket } from "node:net"

export class Dashboards {
  frames = 0
  connections = 0
  readonly #sockets = new Set<WebSocket>()
  #open = true

  constructor(urls: ReadonlyArray<string>, each: number) {
    for (const url of urls)
      for (let i = 0; i < each; i++) this.#connect(`${url.replace("http", "ws")}/ws/analytics`)
  }

  #connect(url: string): void {
    if (!this.#open) return
    const socket = new WebSocket(url)
    this.#sockets.add(socket)
    socket.addEventListener("open", () => {
      this.connections++
    })
    socket.addEventListener("message", () => {
      this.frames++
    })
    socket.addEventListener("error", () => {})
    socket.addEventListener("close", () => {
      this.#sockets.delete(socket)
      setTimeout(() => this.#connect(url), 500).unref()
    })
  }

  stop(): void {
    this.#open = false
    for (const socket of this.#sockets) socket.close()
  }
}

/** Connects and never reads. `dropped` resolves when the server closes the connection. */
export const silentDashboard = (
  port: number,
): { readonly socket: Socket; readonly dropped: Promise<void> } => {
  const socket = createConnection({ port, host: "127.0.0.1" })
  const dropped = new Promise<void>((resolve) => socket.once("close", () => resolve()))
  socket.on("error", () => {})
  socket.write(
    `GET /ws/analytics HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
  )
  socket.once("data", () => socket.pause())
  return { socket, dropped }
}
