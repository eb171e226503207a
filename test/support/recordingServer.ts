/** A server that answers batches as it is told, and keeps what it was sent. */
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { onTestFinished } from "vitest"

export interface ReceivedEvent {
  readonly event_type: string
  readonly id: string
  readonly timestamp?: number
  readonly [key: string]: unknown
}

export interface Received {
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly events: ReadonlyArray<ReceivedEvent>
  /** `performance.now()`. */
  readonly at: number
}

export interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly rejected?: ReadonlyArray<{ readonly index: number; readonly code: string; readonly error: string }>
  readonly body?: string
  /** Closes the connection in place of an answer, after the events were read. */
  readonly hangUp?: boolean
  /** Answers when it resolves. */
  readonly after?: Promise<unknown>
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const parts: Array<Buffer> = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString()
}

/** @param reply the answer to a batch, by its number from 0 */
export const recordingServer = async (reply: (batch: number) => Reply = () => ({})) => {
  const received: Array<Received> = []
  const server = createServer(async (request, response) => {
    const events: ReadonlyArray<ReceivedEvent> = JSON.parse(await bodyOf(request))
    const answer = reply(received.length)
    received.push({ path: request.url ?? "", headers: request.headers, events, at: performance.now() })
    await answer.after
    if (answer.hangUp) return request.socket.destroy()
    const rejected = answer.rejected ?? []
    const data = { accepted: events.length - rejected.length, rejected }
    response.writeHead(answer.status ?? 201, { "Content-Type": "application/json", ...answer.headers })
    response.end(answer.body ?? JSON.stringify({ success: true, data }))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  // listen() on a port gives an AddressInfo (https://nodejs.org/api/net.html#serveraddress).
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    ids: () => received.flatMap(({ events }) => events.map(({ id }) => id)),
  }
}
