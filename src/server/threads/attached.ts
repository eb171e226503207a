/** In the main thread: one HTTP thread, and what it is answered. */
import type { TemplatedApp } from "uWebSockets.js"
import type { Refusal } from "../../domain/frames.ts"
import type { SiteDirectory } from "../../sites/index.ts"
import type { Gate } from "../access/gate.ts"
import type { Hub } from "../dashboards/hub.ts"
import type { Places } from "../dashboards/places.ts"
import type { Router } from "../http/router.ts"
import { type AllFanOuts, RemoteFanOut } from "./allFanOuts.ts"
import { HandedIncoming, HandedOutgoing } from "./handed.ts"
import type { Asked, HandedRequest, Told } from "./messages.ts"

/** What the main thread has once, for all threads of its node. */
export interface ForThreads {
  readonly acceptor: Acceptor
  readonly router: Router
  readonly hub: Pick<Hub, "initialStats" | "firstFrame" | "follow">
  readonly fanOuts: AllFanOuts
  readonly places: Places
  readonly gate: Gate
  readonly sites: SiteDirectory
  /** Tells all nodes what this one has refused. */
  readonly refused: (refusals: ReadonlyArray<Refusal>) => void
}

const call = (app: TemplatedApp, method: string, ...args: ReadonlyArray<unknown>): unknown => {
  const of: unknown = Reflect.get(app, method)
  if (typeof of !== "function") throw new Error(`uWebSockets.js has no ${method}: HTTP_THREADS must be 1.`)
  return Reflect.apply(of, app, args)
}

/** The name by which other threads hand connections to an app. The library's types know neither this nor what takes it. */
export const descriptorOf = (app: TemplatedApp): unknown => call(app, "getDescriptor")

/** The app that listens, and gives connections to the apps of all threads in turn. */
export class Acceptor {
  readonly #app: TemplatedApp
  #isListed = false

  constructor(app: TemplatedApp) {
    this.#app = app
  }

  add(descriptor: unknown): void {
    // One that has others to give connections to keeps those for itself only that it gets in its turn.
    if (!this.#isListed) call(this.#app, "addChildAppDescriptor", descriptorOf(this.#app))
    this.#isListed = true
    call(this.#app, "addChildAppDescriptor", descriptor)
  }

  remove(descriptor: unknown): void {
    call(this.#app, "removeChildAppDescriptor", descriptor)
  }
}

/** A thread that takes connections, until it has ended. */
export class AttachedThread {
  readonly #main: ForThreads
  readonly #tell: (message: Told) => void
  readonly #fanOut: RemoteFanOut
  /** Requests that are not answered yet. */
  readonly #open = new Map<number, HandedOutgoing>()
  /** How many dashboards of an address it has. */
  readonly #dashboards = new Map<string, number>()
  /** `null` once it gets no more connections. */
  #descriptor: unknown

  /** @param descriptor from {@link descriptorOf}, in the thread */
  constructor(main: ForThreads, descriptor: unknown, tell: (message: Told) => void) {
    this.#main = main
    this.#tell = tell
    this.#fanOut = new RemoteFanOut(tell)
    this.#descriptor = descriptor
    main.fanOuts.add(this.#fanOut)
    // Before its first connection.
    tell({ type: "known", known: main.gate.known })
    tell({ type: "sites", rows: main.sites.rows })
    main.acceptor.add(descriptor)
  }

  /** Takes what the thread says. */
  heard(message: Exclude<Asked, { readonly type: "listening" }>) {
    switch (message.type) {
      case "request":
        return this.#dispatch(message.request)
      case "body":
        return this.#open.get(message.id)?.received(message.chunk, message.isLast)
      case "writable":
        return this.#open.get(message.id)?.writable()
      case "aborted":
        return this.#open.get(message.id)?.aborted()
      case "listeners":
        return this.#fanOut.changed(message.topic, message.group, message.change)
      case "frame":
        return this.#frame(message)
      case "follow":
        return this.#tellFrame(message.id, this.#main.hub.follow(message.question))
      case "refused":
        return this.#main.refused(message.refusals)
      case "used":
        return this.#main.gate.used(message.key)
      case "entered":
        return this.#count(message.address, 1)
      case "left":
        return this.#count(message.address, -1)
      case "failing":
        this.#unlist()
        return this.#tell({ type: "unlisted" })
    }
  }

  #dispatch(request: HandedRequest): void {
    const outgoing = new HandedOutgoing(request, this.#tell, () => this.#open.delete(request.id))
    this.#open.set(request.id, outgoing)
    this.#main.router.dispatch(outgoing, new HandedIncoming(request))
  }

  #frame({ id, site, topic }: Extract<Asked, { readonly type: "frame" }>): void {
    const { hub } = this.#main
    this.#tellFrame(id, topic === null ? hub.initialStats(site) : hub.firstFrame(site, topic))
  }

  #tellFrame(id: number, frame: Promise<string | null>): void {
    void frame.then((text) => this.#tell({ type: "frame", id, frame: text }))
  }

  #count(address: string, change: 1 | -1): void {
    const dashboards = (this.#dashboards.get(address) ?? 0) + change
    if (dashboards > 0) this.#dashboards.set(address, dashboards)
    else this.#dashboards.delete(address)
  }

  #unlist(): void {
    if (this.#descriptor !== null) this.#main.acceptor.remove(this.#descriptor)
    this.#descriptor = null
  }

  /** The thread has ended, and its connections with it. */
  ended(): void {
    this.#unlist()
    this.#main.fanOuts.remove(this.#fanOut)
    for (const outgoing of [...this.#open.values()]) outgoing.aborted()
    for (const [address, dashboards] of this.#dashboards)
      for (let i = 0; i < dashboards; i++) this.#main.places.leave(address)
  }
}
