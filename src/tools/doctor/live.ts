/** Follows an event: sent, durable, counted, shown to dashboards, and a row of the timeline. */

import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { API_PATH, WEBSOCKET_PATH } from "../../domain/paths.ts"
import { accessOf, ask, type Deployment, NoAnswer, parsed, said } from "./ask.ts"
import type { Contract } from "./contract.ts"
import { type Finding, failed, ok, skipped, warning } from "./finding.ts"

/** The type of the doctor's events. Nothing else should use it. */
export const DOCTOR_EVENT = "doctor.check"
/** Their visitor. However often the doctor runs, it is one visitor per day, and can be erased. */
export const DOCTOR_VISITOR = "d0c70000-0000-4000-8000-000000000000"

type Frame = { readonly [key: string]: unknown }

/** A dashboard's connection that keeps every frame it receives. */
class Listener {
  readonly frames: Array<Frame> = []
  readonly #socket: WebSocket
  #wake: () => void = () => {}
  #failure: string | null = null

  constructor(url: string, headers: { readonly [name: string]: string }) {
    // Not in the types: Node's own takes headers.
    this.#socket = Reflect.construct(WebSocket, [url, { headers }])
    this.#socket.onmessage = ({ data }) => {
      this.frames.push(parsed(String(data)))
      this.#wake()
    }
    this.#socket.onclose = ({ code }) => {
      this.#failure ??= `the connection was closed (${code})`
      this.#wake()
    }
    this.#socket.onerror = () => {
      this.#failure ??= "no connection: does a proxy pass the upgrade on, and is the origin allowed?"
      this.#wake()
    }
  }

  send(message: object): void {
    this.#socket.send(JSON.stringify(message))
  }

  close(): void {
    this.#socket.close()
  }

  /** The first `wanted` frame, already received or still to come. Rejects after `timeoutMs`, or if the connection fails. */
  async frame(wanted: (frame: Frame) => boolean, timeoutMs: number, what: string): Promise<Frame> {
    const end = performance.now() + timeoutMs
    for (;;) {
      const found = this.frames.find(wanted)
      if (found !== undefined) return found
      if (this.#failure !== null) throw new Error(this.#failure)
      const left = end - performance.now()
      if (left <= 0) throw new Error(`${what} did not come within ${timeoutMs / 1000} s`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

const inTime = <A>(wait: () => Promise<A>): Effect.Effect<A, NoAnswer> =>
  Effect.tryPromise({
    try: wait,
    catch: (cause) => new NoAnswer({ message: cause instanceof Error ? cause.message : String(cause) }),
  })

const connected = (
  { timeoutMs }: Deployment,
  contract: Contract,
  listener: Listener,
): Effect.Effect<Finding, NoAnswer> =>
  Effect.gen(function* () {
    const begun = performance.now()
    yield* inTime(() => listener.frame(({ type }) => type === "initial_stats", timeoutMs, "initial_stats"))
    const greeted = performance.now() - begun
    listener.send({ type: "ping" })
    yield* inTime(() => listener.frame(({ type }) => type === "pong", timeoutMs, "an answer to a ping"))
    const [violation] = listener.frames.flatMap((frame) => contract.frameViolations(frame))
    return violation === undefined
      ? ok("WebSocket", "connects, tells the figures and answers a ping", greeted)
      : failed("WebSocket", `a frame is not as documented: ${violation}`)
  })

const isShown = (check: string) => (frame: Frame) =>
  frame.type === DOCTOR_EVENT && member(frame.data, "check") === check
const isSummed = (frame: Frame) => member(member(frame.omitted, "by_type"), DOCTOR_EVENT) !== undefined

const sent = (
  deployment: Deployment,
  listener: Listener,
  site: string,
  check: string,
): Effect.Effect<ReadonlyArray<Finding>, NoAnswer> =>
  Effect.gen(function* () {
    const begun = performance.now()
    const answer = yield* ask(deployment, `${API_PATH}/event`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        ...(deployment.writeKey !== null && { "X-Write-Key": deployment.writeKey }),
      },
      body: JSON.stringify({
        ...{ event_type: DOCTOR_EVENT, event_data: { check }, id: check, visitor_id: DOCTOR_VISITOR, site },
      }),
    })
    if (answer.status !== 201) return [failed("event", said(answer))]
    const taken = ok("event", `durable: one ${DOCTOR_EVENT} of site ${site}`, answer.milliseconds)
    const shown = isShown(check)
    const seen = yield* Effect.result(
      inTime(() =>
        listener.frame((frame) => shown(frame) || isSummed(frame), deployment.timeoutMs, "the event"),
      ),
    )
    if (seen._tag === "Failure")
      return [
        taken,
        failed("event to dashboard", `${seen.failure.message}: is some node processing (ROLES=actors)?`),
      ]
    return [
      taken,
      shown(seen.success)
        ? ok("event to dashboard", "counted and shown", performance.now() - begun)
        : warning("event to dashboard", "counted, and summed rather than shown: the feed's budget is spent"),
    ]
  })

/** Checks that the event is a row. With an admin token it is looked up by its visitor, and then erased. */
const stored = (deployment: Deployment, site: string, check: string): Effect.Effect<Finding, NoAnswer> =>
  Effect.gen(function* () {
    const { adminToken } = deployment
    if (adminToken === null) {
      const timeline = yield* ask(
        deployment,
        `${API_PATH}/timeline?limit=100&site=${encodeURIComponent(site)}`,
      )
      return timeline.body.includes(check)
        ? ok("event in Postgres", "in the timeline", timeline.milliseconds)
        : warning("event in Postgres", "not among the newest 100 of the timeline: is the site that busy?")
    }
    const path = `${API_PATH}/visitors/${DOCTOR_VISITOR}`
    const headers = { Authorization: `Bearer ${adminToken}` }
    const known = yield* ask(deployment, path, { headers })
    if (known.status !== 200) return failed("administration", said(known))
    if (!known.body.includes(check))
      return failed("event in Postgres", "acknowledged, and not in its visitor's export")
    const erased = yield* ask({ ...deployment, timeoutMs: ERASE_MS }, path, { method: "DELETE", headers })
    return erased.status === 200
      ? ok("event in Postgres", "in its visitor's export, and erased from there", known.milliseconds)
      : failed("administration", said(erased))
  })

/** Milliseconds. An erasure may wait 8 s for events that are still being processed. */
const ERASE_MS = 15_000

export interface LiveOptions {
  readonly site: string
  /** Sends no event. */
  readonly readOnly: boolean
}

/** Listens like a dashboard and, unless `readOnly`, sends one event and watches it arrive. */
export const live = (
  deployment: Deployment,
  contract: Contract,
  { site, readOnly }: LiveOptions,
): Effect.Effect<ReadonlyArray<Finding>, never> =>
  Effect.acquireUseRelease(
    Effect.sync(
      () =>
        new Listener(
          `${deployment.url.replace(/^http/, "ws")}${WEBSOCKET_PATH}?site=${encodeURIComponent(site)}`,
          accessOf(deployment, WEBSOCKET_PATH),
        ),
    ),
    (listener) =>
      Effect.gen(function* () {
        const findings: Array<Finding> = []
        const add = <A>(
          check: string,
          found: Effect.Effect<A, NoAnswer>,
          toList: (a: A) => ReadonlyArray<Finding>,
        ) =>
          Effect.matchEffect(found, {
            onFailure: ({ message }) => Effect.sync(() => findings.push(failed(check, message))),
            onSuccess: (value) => Effect.sync(() => findings.push(...toList(value))),
          })
        yield* add("WebSocket", connected(deployment, contract, listener), (each) => [each])
        if (readOnly) return [...findings, skipped("event", "none is sent with --read-only")]
        const check = randomUUID()
        yield* add("event", sent(deployment, listener, site, check), (each) => each)
        if (findings.some(({ check: name, state }) => name === "event to dashboard" && state !== "failed"))
          yield* add("event in Postgres", stored(deployment, site, check), (each) => [each])
        return findings
      }),
    (listener) => Effect.sync(() => listener.close()),
  )
