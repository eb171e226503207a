/**
 * In the main thread: a request that another thread has taken, and its response. To the router they are like its own; what is written
 * goes to that thread as messages.
 */
import type { IncomingRequest, OutgoingResponse } from "../http/wire.ts"
import type { HandedRequest, Head, Told } from "./messages.ts"

export class HandedIncoming implements IncomingRequest {
  readonly #request: HandedRequest

  constructor(request: HandedRequest) {
    this.#request = request
  }

  getCaseSensitiveMethod(): string {
    return this.#request.method
  }

  getUrl(): string {
    return this.#request.path
  }

  getQuery(): string {
    return this.#request.query
  }

  getHeader(name: string): string {
    return this.#request.headers.find(([each]) => each === name)?.[1] ?? ""
  }

  forEach(note: (name: string, value: string) => void): void {
    for (const [name, value] of this.#request.headers) note(name, value)
  }
}

/** Bytes of their own: a message would carry the whole buffer that they are a part of. */
const own = <A extends string | Uint8Array>(value: A): A | Uint8Array<ArrayBuffer> =>
  typeof value === "string" ? value : new Uint8Array(value)

export class HandedOutgoing implements OutgoingResponse {
  readonly #request: HandedRequest
  readonly #tell: (message: Told) => void
  /** Called when no more will be written. */
  readonly #done: () => void
  #status = "200 OK"
  #headers: Array<Head["headers"][number]> = []
  #begun = false
  #onAborted: (() => void) | null = null
  #onWritable: (() => boolean) | null = null
  #onData: ((chunk: ArrayBuffer, isLast: boolean) => void) | null = null

  constructor(request: HandedRequest, tell: (message: Told) => void, done: () => void) {
    this.#request = request
    this.#tell = tell
    this.#done = done
  }

  getRemoteAddress(): ArrayBuffer {
    return this.#request.address
  }

  getProxiedRemoteAddress(): ArrayBuffer {
    return this.#request.proxiedAddress
  }

  onAborted(handler: () => void): void {
    this.#onAborted = handler
  }

  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): void {
    this.#onData = handler
  }

  onWritable(handler: () => boolean): void {
    this.#onWritable = handler
  }

  /** That thread has no long bodies to read for this one. */
  pause(): void {}

  resume(): void {}

  cork(write: () => void): void {
    write()
  }

  writeStatus(status: string): void {
    this.#status = status
  }

  writeHeader(name: string, value: string | Uint8Array): void {
    this.#headers.push([name, own(value)])
  }

  get #head(): Head {
    return { status: this.#status, headers: this.#headers }
  }

  /** Always `false`: the next part is asked for when the client has taken this one, so that no more than one is in memory. */
  write(part: string): boolean {
    if (this.#begun) this.#tell({ type: "part", id: this.#request.id, part })
    else this.#tell({ type: "begin", id: this.#request.id, head: this.#head, part })
    this.#begun = true
    return false
  }

  end(body: string | Uint8Array = "", close = false): void {
    if (this.#begun) this.#tell({ type: "end", id: this.#request.id, close })
    else this.#tell({ type: "answer", id: this.#request.id, head: this.#head, body: own(body), close })
    this.#done()
  }

  endWithoutBody(length?: number, close = false): void {
    this.#tell({ type: "empty", id: this.#request.id, head: this.#head, length, close })
    this.#done()
  }

  close(): void {
    this.#tell({ type: "break", id: this.#request.id })
    this.aborted()
  }

  /** The client, or the thread that it is connected to, has gone. */
  aborted(): void {
    this.#done()
    this.#onAborted?.()
  }

  writable(): void {
    this.#onWritable?.()
  }

  received(chunk: ArrayBuffer, isLast: boolean): void {
    this.#onData?.(chunk, isLast)
  }
}
