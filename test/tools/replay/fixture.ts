/** Access logs made for a test, and a server that records what is posted to it. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface LogFields {
  readonly address?: string
  readonly time?: string
  readonly request?: string
  readonly status?: number
  readonly referrer?: string
  readonly agent?: string
}

/** A line of the combined format; fields that do not matter have usual values. */
export const logLine = (fields: LogFields): string => {
  const {
    address = "192.0.2.1",
    time = "17/May/2015:10:05:03 +0000",
    request = "GET / HTTP/1.1",
    status = 200,
    referrer = "-",
    agent = "Mozilla/5.0",
  } = fields
  return `${address} - - [${time}] "${request}" ${status} 123 "${referrer}" "${agent}"`
}

export interface StubAnswer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

export interface StubPost {
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly text: string
}

export interface Stub {
  readonly url: string
  readonly posts: Array<StubPost>
  readonly close: () => Promise<void>
}

/** Starts a server that answers each request as told; `"reset"` breaks the connection instead. */
export const startStub = async (answer: (post: StubPost) => StubAnswer | "reset"): Promise<Stub> => {
  const posts: Array<StubPost> = []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8")
      const post = { path: request.url ?? "", headers: request.headers, text }
      posts.push(post)
      const told = answer(post)
      if (told === "reset") return request.socket.destroy()
      response.writeHead(told.status, { "content-type": "application/json", ...told.headers })
      return response.end(JSON.stringify(told.body ?? {}))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const port = typeof address === "object" && address !== null ? (address satisfies AddressInfo).port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    posts,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** Accepts every event of a batch. */
export const acceptAll = (): StubAnswer => ({
  status: 201,
  body: { success: true, data: { accepted: 0, rejected: [] } },
})
