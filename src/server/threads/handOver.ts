/** In an HTTP thread: hands requests over to the main thread, and writes what it answers. */
import type { HttpRequest, HttpResponse } from "uWebSockets.js"
import type { Traffic } from "../http/exchange.ts"
import type { Asked, Head, Told } from "./messages.ts"

/** What the main thread says of an answer. */
type Answer = Extract<Told, { readonly type: "answer" | "empty" | "begin" | "part" | "end" | "break" }>

export class HandOver {
  readonly #traffic: Traffic
  readonly #ask: (message: Asked) => void
  /** Requests that are not answered yet. */
  readonly #open = new Map<number, HttpResponse>()
  #next = 0

  constructor(traffic: Traffic, ask: (message: Asked) => void) {
    this.#traffic = traffic
    this.#ask = ask
  }

  /** Hands a request over, whatever it is. */
  dispatch(res: HttpResponse, req: HttpRequest): void {
    const id = this.#next++
    const headers: Array<readonly [string, string]> = []
    req.forEach((name, value) => {
      headers.push([name, value])
    })
    this.#open.set(id, res)
    this.#traffic.begin()
    res.onAborted(() => {
      if (this.#close(id)) this.#ask({ type: "aborted", id })
    })
    res.onData((chunk, isLast) => {
      // The bytes are the library's own; there are none where a request has no body.
      if (this.#open.has(id) && (chunk.byteLength > 0 || !isLast || hasBody(headers)))
        this.#ask({ type: "body", id, chunk: chunk.slice(0), isLast })
    })
    this.#ask({
      type: "request",
      request: {
        id,
        method: req.getCaseSensitiveMethod(),
        path: req.getUrl(),
        query: req.getQuery() ?? "",
        headers,
        address: res.getRemoteAddress().slice(0),
        proxiedAddress: res.getProxiedRemoteAddress().slice(0),
      },
    })
  }

  #close(id: number): boolean {
    if (!this.#open.delete(id)) return false
    this.#traffic.end()
    return true
  }

  /** Writes what the main thread answers; a client that has left hears nothing. */
  answer(message: Answer): void {
    const res = this.#open.get(message.id)
    if (res === undefined) return
    if (message.type === "break") return void res.close()
    if (message.type === "begin") this.#begin(message.id, res)
    const isLast = message.type !== "begin" && message.type !== "part"
    if (isLast) this.#close(message.id)
    res.cork(() => this.#write(res, message))
  }

  #begin(id: number, res: HttpResponse): void {
    res.onWritable(() => {
      this.#ask({ type: "writable", id })
      return true
    })
  }

  #write(res: HttpResponse, message: Exclude<Answer, { readonly type: "break" }>): void {
    const { draining } = this.#traffic
    switch (message.type) {
      case "answer":
        writeHead(res, message.head)
        res.end(message.body, message.close || draining)
        break
      case "empty":
        writeHead(res, message.head)
        // To the library an undefined length is a length, too.
        if (message.length === undefined) res.endWithoutBody()
        else res.endWithoutBody(message.length, message.close || draining)
        break
      case "begin":
        writeHead(res, message.head)
        this.#part(res, message.id, message.part)
        break
      case "part":
        this.#part(res, message.id, message.part)
        break
      case "end":
        res.end(undefined, message.close || draining)
    }
  }

  #part(res: HttpResponse, id: number, part: string): void {
    if (res.write(part)) this.#ask({ type: "writable", id })
  }
}

const hasBody = (headers: ReadonlyArray<readonly [name: string, value: string]>): boolean =>
  headers.some(([name]) => name === "content-length" || name === "transfer-encoding")

const writeHead = (res: HttpResponse, { status, headers }: Head): void => {
  res.writeStatus(status)
  for (const [name, value] of headers) res.writeHeader(name, value)
}
