/** A client that holds every answer against the document of the server that gave it, and remembers what it has seen. */
import { request } from "node:http"
import { Contract } from "../../../src/tools/doctor/contract.ts"
import { raw } from "../../support/rawClient.ts"

const codeOf = (body: string): ReadonlyArray<string> =>
  [...body.matchAll(/"code":"([A-Z_0-9]+)"/g)].map((m) => m[1] ?? "")

export class Recorder {
  /** `GET /health 200`, paths as documented. */
  readonly seen = new Set<string>()
  /** Every code of a refusal, batches' included. */
  readonly codes = new Set<string>()
  readonly violations: Array<string> = []
  readonly contract: Contract

  constructor(contract: Contract) {
    this.contract = contract
  }

  /** By the document that a server has at its own address. */
  static async of(url: string): Promise<Recorder> {
    return new Recorder(new Contract(await (await fetch(`${url}/openapi.json`)).json()))
  }

  record(method: string, path: string, status: number, headers: Headers, body: string): void {
    const address = path.split("?", 1)[0] ?? ""
    for (const violation of this.contract.violations({ method, path: address, status, headers, body }))
      this.violations.push(`${method} ${path} ${status}: ${violation}: ${body.slice(0, 200)}`)
    const documented = this.contract.pathOf(address)
    const operations = this.contract.operations.filter((each) => each.path === documented)
    const own = operations.filter((each) => each.method === method)
    for (const each of own.length > 0 ? own : operations)
      this.seen.add(`${each.method} ${each.path} ${status}`)
    for (const code of codeOf(body)) this.codes.add(code)
  }

  async ask(url: string, method: string, path: string, init: RequestInit = {}): Promise<string> {
    const response = await fetch(`${url}${path}`, { ...init, method, signal: AbortSignal.timeout(90_000) })
    const body = await response.text()
    this.record(method, path, response.status, response.headers, body)
    return body
  }

  /** One request, byte by byte as it is. */
  async raw(port: number, method: string, path: string, text: string): Promise<void> {
    const { status, head, body } = await raw(port, text)
    this.record(method, path, status, headersOf(head), body)
  }

  /** Asks for a WebSocket and records how that was answered. */
  async upgrade(url: string, path: string, headers: { readonly [name: string]: string } = {}): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const asked = request(`${url}${path}`, {
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        ...headers,
      },
    })
    asked.on("upgrade", (response, socket) => {
      this.record("GET", path, response.statusCode ?? 0, new Headers(), "")
      socket.destroy()
      resolve()
    })
    asked.on("response", (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (part: string) => {
        body += part
      })
      response.on("end", () => {
        this.record("GET", path, response.statusCode ?? 0, headersOf(rawHead(response.rawHeaders)), body)
        resolve()
      })
    })
    asked.on("error", reject)
    asked.end()
    await promise
  }
}

const rawHead = (pairs: ReadonlyArray<string>): string =>
  pairs.map((part, i) => (i % 2 === 0 ? `\r\n${part}: ` : part)).join("")

export const headersOf = (head: string): Headers =>
  new Headers(
    head
      .split("\r\n")
      .slice(1)
      .map((line): [string, string] => [
        line.slice(0, line.indexOf(":")),
        line.slice(line.indexOf(":") + 1).trim(),
      ]),
  )
