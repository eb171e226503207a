/** A server that answers posted events as it is told, and keeps what it was sent. */
import { createServer, type IncomingMessage } from "node:http"
import { listen } from "./listen.ts"

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

/** @param reply the answer to a request, by its number from 0 */
export const recordingServer = async (reply: (turn: number) => Reply = () => ({})) => {
  const received: Array<Received> = []
  const server = createServer(async (request, response) => {
    if (request.method !== "POST") return response.writeHead(405).end()
    const body: ReceivedEvent | ReadonlyArray<ReceivedEvent> = JSON.parse(await bodyOf(request))
    const events = [body].flat()
    const answer = reply(received.length)
    received.push({ path: request.url ?? "", headers: request.headers, events, at: performance.now() })
    await answer.after
    if (answer.hangUp) return request.socket.destroy()
    const rejected = answer.rejected ?? []
    const data = { accepted: events.length - rejected.length, rejected }
    response.writeHead(answer.status ?? 201, { "Content-Type": "application/json", ...answer.headers })
    response.end(answer.body ?? JSON.stringify({ success: true, data }))
  })
  const url = await listen(server)
  return {
    url,
    received,
    ids: () => received.flatMap(({ events }) => events.map(({ id }) => id)),
  }
}
