/**
 * Keeps answers to questions up to date: each is asked once over HTTP, then followed over the WebSocket, which pushes an answer whenever
 * it has changed; never by the clock. Few questions are asked at a time, in the order in which they came, but for one that is to be first:
 * the others wait for its answer, which would come later beside theirs.
 */
import type { Question, QuestionAnswer } from "./questions.ts"
import { failureCode } from "./readFailure.ts"
import { type Loaded, NOTHING } from "./state.ts"

/** Questions by the ids under which their answers are pushed. */
export type Followed = ReadonlyMap<string, Question>

export interface AskingOptions {
  readonly ask: (question: Question, signal: AbortSignal) => Promise<QuestionAnswer>
  /** Tells the server which questions to follow, and which no longer. */
  readonly follow: (begun: Followed, ended: ReadonlyArray<string>) => void
}

/** Questions under way at a time. */
const AT_A_TIME = 4
/** Milliseconds before a question that was refused because there are too many is asked again. */
const BUSY_MS = 1000
/** Milliseconds after which what got no answer is asked again by itself. */
export const RETRY_MS = 30_000
/** Failures that asking again does not mend. */
const FOR_GOOD: ReadonlySet<string> = new Set(["INVALID_QUERY", "UNAUTHORIZED", "FORBIDDEN"])
/** Milliseconds in which changes of what is followed are gathered: the server takes ten messages a second. */
const GATHER_MS = 250

interface Watched {
  readonly id: string
  readonly question: Question
  /** Whether what is counted now may change its answer. */
  readonly live: boolean
  readonly listen: (loaded: Loaded<QuestionAnswer>) => void
  /** Whether it is asked before those that wait. */
  readonly first: boolean
  loaded: Loaded<QuestionAnswer>
  /** In the queue, or under way. */
  waiting: boolean
  under: AbortController | null
}

/** Asks the page's questions; {@link Asking.close} ends it. */
export class Asking {
  readonly #options: AskingOptions
  readonly #watched = new Map<string, Watched>()
  #queue: ReadonlyArray<Watched> = []
  #running = 0
  #lastId = 0
  /** What the server is told next. */
  #begun = new Map<string, Question>()
  #ended = new Set<string>()
  #gathering: ReturnType<typeof setTimeout> | undefined

  constructor(options: AskingOptions) {
    this.#options = options
  }

  /**
   * Asks a question, and hears every other answer if it is `live`; returns what asks again, and what ends it. One that is `first` is
   * asked before those that wait, which may have come in the same turn.
   */
  watch(
    question: Question,
    live: boolean,
    listen: (loaded: Loaded<QuestionAnswer>) => void,
    first = false,
  ): { readonly again: () => void; readonly end: () => void } {
    const id = `q${++this.#lastId}`
    const unasked = { loaded: NOTHING, waiting: false, under: null }
    const watched: Watched = { id, question, live, listen, first, ...unasked }
    this.#watched.set(id, watched)
    this.#put(watched)
    if (live) this.#follow(watched)
    return { again: () => this.#put(watched), end: () => this.#end(watched) }
  }

  /** The server has pushed an answer. */
  answered(id: string, data: QuestionAnswer): void {
    const watched = this.#watched.get(id)
    if (watched === undefined) return
    // It is newer than what is under way.
    watched.under?.abort()
    this.#tell(watched, { data, loading: false, failure: null })
  }

  /** The server has pushed why there is no newer answer. */
  failed(id: string, code: string): void {
    const watched = this.#watched.get(id)
    // What is under way tells more.
    if (watched !== undefined && !watched.waiting) this.#failed(watched, code)
  }

  /** The connection is new: nothing is followed on it yet. After a loss, everything is asked again. */
  connected(afterLoss: boolean): void {
    this.#ended.clear()
    for (const watched of this.#watched.values()) {
      if (watched.live) this.#follow(watched)
      if (afterLoss) this.#put(watched)
    }
  }

  close(): void {
    clearTimeout(this.#gathering)
    for (const { under } of this.#watched.values()) under?.abort()
    this.#watched.clear()
    this.#queue = []
  }

  #end(watched: Watched): void {
    this.#watched.delete(watched.id)
    this.#queue = this.#queue.filter((each) => each !== watched)
    watched.under?.abort()
    // What the server was not told of yet needs no end.
    if (!this.#begun.delete(watched.id) && watched.live) this.#ended.add(watched.id)
    this.#gather()
  }

  #follow({ id, question }: Watched): void {
    this.#begun.set(id, question)
    this.#gather()
  }

  #gather(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined
      const [begun, ended] = [this.#begun, [...this.#ended]]
      this.#begun = new Map()
      this.#ended = new Set()
      if (begun.size > 0 || ended.length > 0) this.#options.follow(begun, ended)
    }, GATHER_MS)
  }

  #put(watched: Watched): void {
    if (watched.waiting) return
    watched.waiting = true
    this.#queue = watched.first ? [watched, ...this.#queue] : [...this.#queue, watched]
    this.#tell(watched, { ...watched.loaded, loading: true })
    // In one turn, so that what is watched together is asked in the order of the page.
    queueMicrotask(() => this.#next())
  }

  #next(): void {
    while (this.#running < AT_A_TIME && !this.#isFirstUnderWay()) {
      const [watched, ...rest] = this.#queue
      if (watched === undefined) return
      this.#queue = rest
      void this.#ask(watched)
    }
  }

  #isFirstUnderWay(): boolean {
    return [...this.#watched.values()].some(({ first, under }) => first && under !== null)
  }

  async #ask(watched: Watched): Promise<void> {
    this.#running++
    const under = new AbortController()
    watched.under = under
    try {
      const data = await this.#options.ask(watched.question, under.signal)
      if (!under.signal.aborted) this.#tell(watched, { data, loading: false, failure: null })
    } catch (failure) {
      const code = failureCode(failure)
      if (code === "TOO_MANY_QUERIES" || !under.signal.aborted) this.#failed(watched, code)
    } finally {
      watched.waiting = false
      watched.under = null
      this.#running--
      this.#next()
    }
  }

  #failed(watched: Watched, code: string): void {
    const busy = code === "TOO_MANY_QUERIES"
    if (!busy) this.#tell(watched, { ...watched.loaded, loading: false, failure: code })
    // Nobody stands before a second screen to try again.
    if (!FOR_GOOD.has(code)) this.#putLater(watched, busy ? BUSY_MS : RETRY_MS)
  }

  /** Asks again in a while, unless it was answered meanwhile. */
  #putLater(watched: Watched, pause: number): void {
    const { loaded } = watched
    setTimeout(() => {
      if (this.#watched.has(watched.id) && watched.loaded === loaded) this.#put(watched)
    }, pause)
  }

  #tell(watched: Watched, loaded: Loaded<QuestionAnswer>): void {
    if (!this.#watched.has(watched.id)) return
    watched.loaded = loaded
    watched.listen(loaded)
  }
}
