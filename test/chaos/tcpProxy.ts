/** A TCP proxy between a node and a store that cuts, delays, or strikes at a moment recognised from the bytes. */
import { createServer, type Server, Socket } from "node:net"

/** One connection through the proxy. */
export interface Link {
  /** The first bytes from the client, as Latin-1: they name the connection (`application_name`, `CLIENT SETNAME`). */
  readonly hello: string
  /** Breaks it on both sides; whatever is in flight is lost. */
  readonly cut: () => void
}

export interface Watcher {
  /** Called with what the client sends, before the store gets it. */
  readonly request?: (link: Link, chunk: Buffer) => void
  /** Called with what the store replies. Returns true to withhold the reply from the client for good. */
  readonly reply?: (link: Link, chunk: Buffer) => boolean
}

const HELLO_BYTES = 2048

export class TcpProxy {
  readonly #server: Server
  readonly #links = new Set<Link>()
  #isCut = false
  #delay = 0
  watcher: Watcher = {}

  private constructor(target: () => number) {
    this.#server = createServer((client) => this.#join(client, target()))
  }

  /** Listens on a free port of `host` and connects to `target`, a port of 127.0.0.1. */
  static async start(target: () => number, host: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, host, resolve))
    return proxy
  }

  get host(): string {
    const address = this.#server.address()
    return typeof address === "object" && address !== null ? address.address : ""
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  }

  /** Additional delay of every chunk each way, milliseconds. */
  set delay(milliseconds: number) {
    this.#delay = milliseconds
  }

  /** Connections stay open but carry nothing, as on a network that drops packets; new ones hang, too. */
  set cut(cut: boolean) {
    this.#isCut = cut
    // Connections from before the cut are not restored, as with a firewall that has forgotten them.
    if (!cut) this.breakAll()
  }

  /** Breaks every connection at once. */
  breakAll(): void {
    for (const link of [...this.#links]) link.cut()
  }

  async stop(): Promise<void> {
    this.breakAll()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(client: Socket, port: number): void {
    const store = new Socket()
    let hello = ""
    const cut = () => {
      client.destroy()
      store.destroy()
    }
    const link: Link = {
      get hello() {
        return hello
      },
      cut,
    }
    this.#links.add(link)
    const end = () => {
      cut()
      this.#links.delete(link)
    }
    for (const socket of [client, store]) {
      socket.setNoDelay(true)
      socket.on("error", end)
      socket.on("close", end)
    }
    const pass = (to: Socket, chunk: Buffer) => {
      if (this.#isCut) return
      if (this.#delay === 0) to.write(chunk)
      else setTimeout(() => !to.destroyed && to.write(chunk), this.#delay)
    }
    client.on("data", (chunk) => {
      if (hello.length < HELLO_BYTES) hello += chunk.toString("latin1")
      this.watcher.request?.(link, chunk)
      pass(store, chunk)
    })
    store.on("data", (chunk) => {
      if (this.watcher.reply?.(link, chunk) !== true) pass(client, chunk)
    })
    store.connect(port, "127.0.0.1")
  }
}
