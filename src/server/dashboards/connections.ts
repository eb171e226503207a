/** Dashboards' connections: who may connect, what they may say, and when they are dropped. */

import type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_socket_context_t,
  WebSocket,
  WebSocketBehavior,
} from "uWebSockets.js"
import { type ClientMessage, MAX_QUERIES, TOPICS, type Topic } from "../../domain/frames.ts"
import { WEBSOCKET_PATH } from "../../domain/paths.ts"
import { choiceOf, chosenSites } from "../../domain/siteChoice.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import type { Gate } from "../access/gate.ts"
import { needOf, TOPIC_NEEDS } from "../access/needs.ts"
import type { Access, Asking } from "../http/access.ts"
import { limitKey, socketAddress, type TrustedProxies } from "../http/clientAddress.ts"
import type { Cors } from "../http/cors.ts"
import { type RequestHeaders, readHeaders } from "../http/headers.ts"
import { isOwnOrigin } from "../http/ownOrigin.ts"
import { Problem, SHUTTING_DOWN } from "../http/problem.ts"
import { Parameters } from "../http/query.ts"
import { UPGRADE_CODES } from "../http/refusalCodes.ts"
import { type FanOut, type Listener, topicOf } from "./fanOut.ts"
import type { Hub } from "./hub.ts"
import { questionTopic } from "./liveQuestions.ts"
import type { PlaceRefusal, Places } from "./places.ts"
import {
  decodeMessage,
  errorFrame,
  MessageError,
  pongFrame,
  queryErrorFrame,
  subscribedFrame,
} from "./protocol.ts"

/** Largest message that is read, bytes. */
const MAX_MESSAGE_BYTES = 1024
/** Largest message with questions that is read, bytes. */
const MAX_QUERIES_BYTES = 16 * 1024
/** A larger message up to this many bytes is answered with an error; beyond, the connection is closed with 1009. */
const MAX_ANSWERED_BYTES = 16 * 1024
/** Bytes at which the library breaks the connection while a message is still arriving, so that none fills the memory. */
const MAX_RECEIVED_BYTES = 64 * 1024
/** Messages a second that are read; those beyond are answered with an error. */
const MESSAGES_PER_SECOND = 10
/** Messages a second beyond which a client is closed with 1008. */
const ABUSIVE_MESSAGES_PER_SECOND = 10 * MESSAGES_PER_SECOND
/** Bytes that may wait for a slow reader, in addition to what its socket holds, before it is dropped. */
const MAX_BACKPRESSURE_BYTES = 64 * 1024
/** Seconds without a frame from a client, pongs included, after which it counts as gone. */
const IDLE_TIMEOUT_S = 60

const DEFAULT_TOPICS: ReadonlyArray<Topic> = ["stats", "events"]

const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008
const MESSAGE_TOO_BIG = 1009

const BINARY = new MessageError("BINARY_MESSAGE", "Messages must be text.")
const TOO_LARGE = new MessageError("MESSAGE_TOO_LARGE", `A message may have ${MAX_MESSAGE_BYTES} bytes.`)
const TOO_MANY = new MessageError(
  "RATE_LIMITED",
  `A connection may send ${MESSAGES_PER_SECOND} messages a second.`,
)
const TOO_MANY_QUERIES = {
  code: "TOO_MANY_QUERIES",
  error: `A connection may follow ${MAX_QUERIES} questions.`,
} as const
/** Why this side closes a connection. */
const CLOSED_FOR = ["slow", "abusive", "too_large", "revoked"] as const

const NO_PLACE: Readonly<Record<PlaceRefusal, Problem>> = {
  TOO_MANY_CONNECTIONS: Problem.of("TOO_MANY_CONNECTIONS"),
  CONNECTION_LIMIT: Problem.of("CONNECTION_LIMIT", "Retry-After: 10\r\n"),
}
const FOREIGN_ORIGIN = Problem.of("ORIGIN_NOT_ALLOWED")

/** One connection. */
interface Client extends Listener {
  /** One, or several as one. */
  readonly site: string
  /** As they were asked for; `null` for the default one. */
  readonly asked: string | null
  access: Access
  /** What connections are limited by, from `limitKey`. */
  readonly address: string
  /** Topics of the questions that it follows, by its ids. */
  readonly questions: Map<string, string>
  open: boolean
  /** When the second began in which messages are counted, unix milliseconds. */
  windowSince: number
  windowMessages: number
  /** Why this side closes it; `null` if it does not. */
  dropped: (typeof CLOSED_FOR)[number] | null
}

type Admission = Pick<Client, "site" | "asked" | "access">

export interface ConnectionOptions {
  readonly hub: Pick<Hub, "initialStats" | "firstFrame" | "follow">
  readonly fanOut: FanOut
  readonly places: Places
  readonly metrics: Metrics
  readonly cors: Cors
  readonly proxies: TrustedProxies
  readonly gate: Gate
  /** Bytes; see {@link MAX_BACKPRESSURE_BYTES}. */
  readonly maxBackpressure?: number
  /** Answers an upgrade that is refused. */
  readonly refuse: (res: HttpResponse, problem: Problem) => void
  /** Unix milliseconds. */
  readonly now: () => number
}

export class Connections {
  readonly #options: ConnectionOptions
  readonly #sockets = new Set<WebSocket<Client>>()
  #closing = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    const { websocketDropped, websocketMessages } = options.metrics
    for (const reason of [...CLOSED_FOR, "lost", ...UPGRADE_CODES.map((code) => code.toLowerCase())])
      websocketDropped.inc({ reason }, 0)
    for (const direction of ["in", "out"]) websocketMessages.inc({ direction }, 0)
  }

  /** Registers the WebSocket route at each of the paths. */
  attach(app: TemplatedApp, paths: ReadonlyArray<string>) {
    const behavior: WebSocketBehavior<Client> = {
      maxPayloadLength: MAX_RECEIVED_BYTES,
      maxBackpressure: this.#options.maxBackpressure ?? MAX_BACKPRESSURE_BYTES,
      closeOnBackpressureLimit: true,
      idleTimeout: IDLE_TIMEOUT_S,
      sendPingsAutomatically: true,
      upgrade: (res, req, context) => this.#upgrade(res, req, context),
      open: (ws) => this.#opened(ws),
      message: (ws, message, isBinary) => this.#received(ws, message, isBinary),
      dropped: (ws) => {
        ws.getUserData().dropped ??= "slow"
      },
      close: (ws, code) => this.#closed(ws, code),
    }
    for (const path of paths) app.ws(path, behavior)
  }

  /**
   * The site that a dashboard asks for and what it may see, or why it is refused before there is the question whether there is a place.
   */
  #admission(res: HttpResponse, req: HttpRequest, headers: RequestHeaders): Admission | Problem {
    const { cors, gate, proxies } = this.#options
    const behindProxy = proxies.trusts(socketAddress(res.getRemoteAddress()))
    if (this.#closing) return SHUTTING_DOWN
    const { origin } = headers
    if (origin !== "" && !cors.allows(origin) && !isOwnOrigin(origin, headers, behindProxy))
      return FOREIGN_ORIGIN
    const parameters = new Parameters(req.getQuery() ?? "")
    const asking: Asking = {
      ...{ res, headers, method: "UPGRADE", share: parameters.text("share") },
      header: (name) => req.getHeader(name),
    }
    const access = gate.admit(asking, needOf(WEBSOCKET_PATH, "GET"))
    if (access instanceof Problem) return access
    const site = parameters.sites(access.sites)
    return parameters.problem ?? { site, asked: parameters.text("site"), access }
  }

  #upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t) {
    const { proxies, places } = this.#options
    const headers = readHeaders(req)
    const address = limitKey(proxies.clientOf(res, headers))
    const admission = this.#admission(res, req, headers)
    if (admission instanceof Problem) return this.#refuse(res, admission)
    const refusal = places.enter(address)
    if (refusal !== null) return this.#refuse(res, NO_PLACE[refusal])
    // Never once this handler has returned: within `cork`, uWebSockets.js then reads the new socket as the response that it was, whose
    // place in memory it may have, and now and then closes it (uNetworking/uWebSockets#1929).
    res.upgrade(
      this.#client(admission, address),
      req.getHeader("sec-websocket-key"),
      firstOf(req.getHeader("sec-websocket-protocol")),
      req.getHeader("sec-websocket-extensions"),
      context,
    )
  }

  #refuse(res: HttpResponse, problem: Problem) {
    this.#options.metrics.websocketDropped.inc({ reason: problem.code.toLowerCase() })
    this.#options.refuse(res, problem)
  }

  #client(admission: Admission, address: string): Client {
    return {
      ...admission,
      address,
      shard: this.#options.fanOut.shard(),
      topics: new Set(),
      questions: new Map(),
      open: true,
      windowSince: 0,
      windowMessages: 0,
      dropped: null,
    }
  }

  #opened(ws: WebSocket<Client>) {
    const client = ws.getUserData()
    this.#sockets.add(ws)
    this.#options.metrics.websocketConnections.set(this.#sockets.size)
    const { hub, fanOut } = this.#options
    fanOut.subscribe(ws, topicOf(client.site, "all"))
    for (const topic of DEFAULT_TOPICS) fanOut.subscribe(ws, topicOf(client.site, topic))
    void hub.initialStats(client.site).then((frame) => this.#send(ws, client, frame))
  }

  #closed(ws: WebSocket<Client>, code: number) {
    const client = ws.getUserData()
    client.open = false
    this.#options.fanOut.left(client)
    this.#sockets.delete(ws)
    const { metrics, places } = this.#options
    places.leave(client.address)
    metrics.websocketConnections.set(this.#sockets.size)
    // 1006 without a reason from this side: the client vanished, or sent more than can be received.
    const reason = client.dropped ?? (code === 1006 ? "lost" : null)
    if (reason !== null) metrics.websocketDropped.inc({ reason })
  }

  #send(ws: WebSocket<Client>, client: Client, text: string) {
    if (!client.open) return
    ws.send(text)
    this.#options.metrics.websocketMessages.inc({ direction: "out" })
  }

  #end(ws: WebSocket<Client>, client: Client, reason: Client["dropped"], code: number, why: string) {
    client.dropped = reason
    ws.end(code, why)
  }

  #received(ws: WebSocket<Client>, message: ArrayBuffer, isBinary: boolean) {
    const client = ws.getUserData()
    this.#options.metrics.websocketMessages.inc({ direction: "in" })
    const now = this.#options.now()
    if (now - client.windowSince >= 1000 || now < client.windowSince) {
      client.windowSince = now
      client.windowMessages = 0
    }
    client.windowMessages++
    if (client.windowMessages > ABUSIVE_MESSAGES_PER_SECOND)
      return this.#end(ws, client, "abusive", POLICY_VIOLATION, "too many messages")
    if (message.byteLength > MAX_ANSWERED_BYTES)
      return this.#end(ws, client, "too_large", MESSAGE_TOO_BIG, "message too large")
    const problem =
      client.windowMessages > MESSAGES_PER_SECOND
        ? TOO_MANY
        : isBinary
          ? BINARY
          : this.#obey(ws, client, Buffer.from(message))
    if (problem !== null) this.#send(ws, client, errorFrame(problem))
  }

  #obey(ws: WebSocket<Client>, client: Client, bytes: Buffer): MessageError | null {
    const { hub, fanOut, gate } = this.#options
    if (bytes.length > MAX_QUERIES_BYTES) return TOO_LARGE
    const { access } = client
    const message = decodeMessage(bytes.toString("utf8"), {
      sites: access.sites.declared,
      mayHear: (topic) => gate.suffices(access.grant, TOPIC_NEEDS[topic]),
    })
    const isOfQueries = !(message instanceof MessageError) && message.type === "follow"
    if (bytes.length > MAX_MESSAGE_BYTES && !isOfQueries) return TOO_LARGE
    if (message instanceof MessageError) return message
    if (message.type === "follow") this.#follow(ws, client, message)
    else if (message.type === "unfollow") for (const id of message.ids) this.#unfollow(ws, client, id)
    else if (message.type === "ping") this.#send(ws, client, pongFrame(this.#options.now()))
    else if (message.type === "refresh_stats")
      void hub.initialStats(client.site).then((frame) => this.#send(ws, client, frame))
    else {
      const site = message.site ?? client.site
      const added: Array<Topic> = []
      for (const topic of new Set(message.topics)) {
        const name = topicOf(site, topic)
        if (message.type === "unsubscribe") fanOut.unsubscribe(ws, name)
        else if (fanOut.subscribe(ws, name)) added.push(topic)
      }
      const topics = TOPICS.filter((topic) => client.topics.has(topicOf(site, topic)))
      this.#send(ws, client, subscribedFrame(site, topics))
      for (const topic of added)
        void hub.firstFrame(site, topic).then((frame) => {
          if (frame !== null) this.#send(ws, client, frame)
        })
    }
    return null
  }

  #unfollow(ws: WebSocket<Client>, client: Client, id: string): void {
    const topic = client.questions.get(id)
    if (topic === undefined) return
    client.questions.delete(id)
    this.#options.fanOut.unsubscribe(ws, topic)
  }

  #follow(ws: WebSocket<Client>, client: Client, message: ClientMessage & { readonly type: "follow" }): void {
    const { hub, fanOut } = this.#options
    for (const [id, query] of message.queries) {
      this.#unfollow(ws, client, id)
      if (client.questions.size >= MAX_QUERIES) {
        this.#send(ws, client, queryErrorFrame(id, TOO_MANY_QUERIES))
        continue
      }
      const question = { site: client.site, visible: [...client.access.sites.declared], id, query }
      const topic = questionTopic(question)
      client.questions.set(id, topic)
      fanOut.subscribe(ws, topic)
      void hub.follow(question).then((frame) => {
        // Another question may have taken its id.
        if (frame !== null && client.questions.get(id) === topic) this.#send(ws, client, frame)
      })
    }
  }

  /**
   * Closes the connections of those whose access has been revoked; the others may see what there is now. Those of all sites are opened
   * again where that is something else.
   */
  review(): void {
    const { gate } = this.#options
    for (const ws of this.#sockets) {
      const client = ws.getUserData()
      const { grant } = client.access
      if (!gate.holds(grant)) {
        this.#end(ws, client, "revoked", POLICY_VIOLATION, "access revoked")
        continue
      }
      if (grant.kind === "key" && grant.id !== null) gate.used(grant.id)
      client.access = gate.seenWith(grant)
      if (isOfOthers(client)) ws.end(GOING_AWAY, "there are other sites")
    }
  }

  /** Open connections. */
  get size(): number {
    return this.#sockets.size
  }

  /** Closes so many connections with 1001, the longest open first. */
  close(count: number): void {
    for (const ws of [...this.#sockets].slice(0, count)) ws.end(GOING_AWAY, "server is stopping")
  }

  /** Closes every connection with 1001 and refuses new ones. Returns how many there were. */
  closeAll(): number {
    this.#closing = true
    const { size } = this
    this.close(size)
    return size
  }
}

/** Whether what a client has asked for is of other sites now than when it has connected. */
const isOfOthers = ({ site, asked, access }: Client): boolean => {
  if (asked === null) return false
  const chosen = chosenSites(asked, access.sites.declared)
  return "sites" in chosen && choiceOf(chosen.sites) !== site
}

/** The first of the subprotocols that a client offers: it expects one of them back, though none means anything here. */
const firstOf = (protocols: string): string => protocols.split(",", 1)[0]?.trim() ?? ""
