/**
 * Questions that dashboards follow: each is answered when somebody begins to follow it, and again after events of its sites have been
 * counted, at most once an interval; a changed answer goes to all who follow. Equal questions are one, however many dashboards have
 * them and under whichever ids.
 *
 * What is asked passes through here once for the node. A listener is subscribed to the topic of its question and id before the question
 * comes here, so that no answer passes it.
 */
import { createHash } from "node:crypto"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import { FRESH_MS } from "../../query/engine/index.ts"
import type { StoreError } from "../../stores/errors.ts"
import { failureProblem, Problem } from "../http/problem.ts"
import type { Sites } from "../http/query.ts"
import type { Answered } from "../services/questions.ts"
import type { Runner } from "../services/readCache.ts"
import type { FanOut } from "./fanOut.ts"
import { queryErrorFrame, queryFrame } from "./protocol.ts"
import { mayPass, RETRY_MS } from "./retry.ts"
import { Throttle } from "./throttle.ts"

/** Different questions that a node follows. */
const MAX_FOLLOWED = 500
/** Bytes of an answer in a frame: more would fill what may wait for a slow reader. */
const MAX_ANSWER_BYTES = 48 * 1024
/** Followed questions that are asked at the same time, so that others find the engine free. */
const MAX_ASKED = 2
/** Questions are asked again after so long without events, milliseconds: answers depend on the time, too. */
export const FOLLOWED_AGAIN_MS = 60_000

/** A question as a dashboard follows it. */
export interface FollowedQuestion {
  /** The connection's: asked about where the question names none. */
  readonly site: string
  /** The slugs that there are for who asks. */
  readonly visible: ReadonlyArray<string>
  /** The dashboard's own name for it. */
  readonly id: string
  /** As it was sent. */
  readonly query: unknown
}

/** The fields in one order, so that equal questions look the same. */
const ordered = (query: unknown): unknown =>
  typeof query !== "object" || query === null || Array.isArray(query)
    ? query
    : Object.fromEntries(Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1)))

const keyOf = ({ site, visible, query }: Omit<FollowedQuestion, "id">): string =>
  JSON.stringify([site, visible, ordered(query)])

/** Where the answers to a question go that dashboards follow under an id. */
export const questionTopic = (question: FollowedQuestion): string =>
  `query/${createHash("sha256")
    .update(JSON.stringify([question.id, keyOf(question)]))
    .digest("base64url")}`

/** What was last sent of a question: the answer's JSON, or why there is none. */
type Sent = string | Problem

const frameOf = (id: string, sent: Sent): string =>
  sent instanceof Problem ? queryErrorFrame(id, sent) : queryFrame(id, sent)

const isSame = (a: Sent | null, b: Sent): boolean =>
  a instanceof Problem && b instanceof Problem ? a.code === b.code && a.error === b.error : a === b

interface Followed {
  /** Those that there are for who asks; the default one is the connection's. */
  readonly askable: Sites
  readonly query: unknown
  /** Ids by topic. */
  readonly ids: Map<string, string>
  /** Of which events are counted; `null` until it has been read. */
  sites: ReadonlyArray<string> | null
  sent: Sent | null
  readonly asking: Throttle
}

export interface LiveQuestionsOptions {
  readonly questions: {
    readonly answer: (body: unknown, sites: Sites) => Effect.Effect<Answered, Problem | StoreError>
  }
  readonly run: Runner
  readonly fanOut: Pick<FanOut, "publish" | "listeners">
  /** Minimum milliseconds between two answers to a question. */
  readonly updateMs: number
}

const TOO_LARGE = new Problem(
  "INVALID_QUERY",
  `The answer has more than ${MAX_ANSWER_BYTES / 1024} KiB: ask for fewer rows with limit, or without following it.`,
)
const TOO_MANY = new Problem("TOO_MANY_QUERIES", `The node follows ${MAX_FOLLOWED} different questions.`)

export class LiveQuestions {
  readonly #options: LiveQuestionsOptions
  readonly #places = Semaphore.makeUnsafe(MAX_ASKED)
  /** By their keys. */
  readonly #followed = new Map<string, Followed>()
  #changedAt = Number.NEGATIVE_INFINITY
  readonly #tick: NodeJS.Timeout

  constructor(options: LiveQuestionsOptions) {
    this.#options = options
    this.#tick = setInterval(() => this.changed(null), FOLLOWED_AGAIN_MS)
    this.#tick.unref()
  }

  /** A dashboard has begun to follow a question. Returns what it is sent now; `null` while there is nothing yet, which will come. */
  follow(question: FollowedQuestion): string | null {
    const { id, site, visible, query } = question
    const key = keyOf(question)
    const known = this.#followed.get(key)
    if (known !== undefined) {
      known.ids.set(questionTopic(question), id)
      return known.sent === null ? null : frameOf(id, known.sent)
    }
    for (const each of this.#followed.keys()) this.#forgetUnheard(each)
    if (this.#followed.size >= MAX_FOLLOWED) return frameOf(id, TOO_MANY)
    const asking = new Throttle(this.#options.updateMs, () => this.#ask(key))
    const askable = { declared: new Set(visible), default: site }
    const ids = new Map([[questionTopic(question), id]])
    this.#followed.set(key, { ...{ askable, query, ids, asking }, sites: null, sent: null })
    asking.trigger()
    return null
  }

  /** Events of a site have been counted; `null`: time has passed. */
  changed(site: string | null): void {
    if (site !== null) this.#changedAt = performance.now()
    for (const [key, { sites, asking }] of this.#followed)
      if (!this.#forgetUnheard(key) && (site === null || sites === null || sites.includes(site)))
        asking.trigger()
  }

  /** Forgets topics that nobody listens to, and a question without others; tells whether there was none. */
  #forgetUnheard(key: string): boolean {
    const followed = this.#followed.get(key)
    if (followed === undefined) return true
    for (const topic of followed.ids.keys())
      if (this.#options.fanOut.listeners(topic) === 0) followed.ids.delete(topic)
    if (followed.ids.size > 0) return false
    this.#forget(key, followed)
    return true
  }

  #forget(key: string, { asking }: Followed): void {
    asking.stop()
    this.#followed.delete(key)
  }

  async #ask(key: string): Promise<void> {
    const followed = this.#followed.get(key)
    if (followed === undefined || this.#forgetUnheard(key)) return
    const { questions, run } = this.#options
    const isFirst = followed.sent === null
    // The engine may look at what it knew a moment ago, and what has just been counted is to be in the answer.
    const fresh = isFirst ? Effect.void : Effect.sleep(FRESH_MS)
    const asked = Effect.andThen(
      fresh,
      this.#places.withPermits(1)(questions.answer(followed.query, followed.askable)),
    )
    const exit = await new Promise<Exit.Exit<Answered, unknown>>((resolve) => {
      run(asked).addObserver(resolve)
    })
    if (this.#followed.get(key) !== followed) return
    if (Exit.isSuccess(exit)) {
      followed.sites = exit.value.query.sites
      const json = JSON.stringify(exit.value.data)
      this.#send(followed, Buffer.byteLength(json) > MAX_ANSWER_BYTES ? TOO_LARGE : json)
      if (isFirst && performance.now() - this.#changedAt < 2 * FRESH_MS) followed.asking.trigger()
    } else this.#failed(key, followed, exit)
  }

  #failed(key: string, followed: Followed, { cause }: Exit.Failure<unknown, unknown>): void {
    const problem = failureProblem(Cause.squash(cause))
    this.#send(followed, problem)
    if (mayPass(problem)) {
      followed.asking.rest(RETRY_MS)
      followed.asking.trigger()
    } else this.#forget(key, followed)
  }

  #send(followed: Followed, sent: Sent): void {
    if (isSame(followed.sent, sent)) return
    followed.sent = sent
    for (const [topic, id] of followed.ids) this.#options.fanOut.publish(topic, frameOf(id, sent))
  }

  /** Asks nothing more. */
  stop(): void {
    clearInterval(this.#tick)
    for (const [key, followed] of [...this.#followed]) this.#forget(key, followed)
  }
}
