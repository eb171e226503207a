/**
 * A request and its response as handlers see them, in uWebSockets.js' words: its own, or those of another thread that has handed the
 * request over (`server/threads`).
 */

/** Valid only during the call of its handler. */
export interface IncomingRequest {
  getCaseSensitiveMethod(): string
  /** The path. */
  getUrl(): string
  getQuery(): string | undefined
  /** The value of a field by its name in lower case; empty if it is absent. */
  getHeader(name: string): string
  forEach(note: (name: string, value: string) => void): void
}

/** Where a request comes from. */
export interface Addresses {
  /** The address of the socket, binary. */
  getRemoteAddress(): ArrayBuffer
  /** The address that a proxy has told with the PROXY protocol, binary; empty if none has. */
  getProxiedRemoteAddress(): ArrayBuffer
}

export interface OutgoingResponse extends Addresses {
  onAborted(handler: () => void): unknown
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): unknown
  onWritable(handler: () => boolean): unknown
  /** Hears of no more parts of the body until {@link OutgoingResponse.resume}. */
  pause(): unknown
  resume(): unknown
  /** Runs what writes several times. */
  cork(write: () => void): unknown
  writeStatus(status: string): unknown
  writeHeader(name: string, value: string | Uint8Array): unknown
  /** `false` if the client is behind: see `onWritable`. */
  write(part: string): boolean
  end(body?: string | Uint8Array, close?: boolean): unknown
  endWithoutBody(length?: number, close?: boolean): unknown
  /** Breaks the connection. */
  close(): unknown
}
