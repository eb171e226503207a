/**
 * The body of one request as it arrives.
 *
 * An answer that is known before all of it has arrived, a refusal mostly, waits for its end: proxies give a connection whose
 * request they have not finished to the next client, whose request would then be taken for the rest of that body.
 */
import type { Arrival, Arrivals } from "./arrivals.ts"
import type { RequestHeaders } from "./headers.ts"
import type { Problem } from "./problem.ts"
import type { OutgoingResponse } from "./wire.ts"

/** Longest body that is read to its end and thrown away after its refusal, so that the client sees the answer; bytes. */
const DISCARD_BYTES = 16 * 1024 * 1024

/**
 * The library cuts off a client that sends less than 16 KiB a second, after 30 s and without an answer; a pause of no length makes
 * it begin anew. So it is our limits that hold for slow networks, and they answer. Milliseconds between two such pauses.
 */
const REPRIEVE_EVERY_MS = 5000

/** Hears of a part, whose bytes are valid only during the call. */
type OnPart = (chunk: ArrayBuffer, isLast: boolean) => void

export class Incoming {
  /** Whether some of it has yet to arrive. */
  arriving: boolean
  /** Whether the client was told to go on, by hand: see {@link Incoming.receive}. */
  continued = false
  readonly #res: OutgoingResponse
  readonly #arrivals: Arrivals
  readonly #tooLong: boolean
  #expectant: boolean
  #arrival: Arrival | null = null
  #receiving = false
  #over = false
  /** `performance.now()` milliseconds; 0 before the first part. */
  #reprievedAt = 0
  /** The answer that waits for the end; it closes the connection if that will not come. */
  #answer: ((close: boolean) => void) | null = null

  constructor(res: OutgoingResponse, headers: RequestHeaders, arrivals: Arrivals) {
    this.#res = res
    this.#arrivals = arrivals
    this.arriving = headers.announceBody
    this.#tooLong = Number(headers.contentLength) > DISCARD_BYTES
    this.#expectant = headers.expectContinue
  }

  /** Whether an answer waits for the end. */
  get answered(): boolean {
    return this.#answer !== null
  }

  /**
   * Hears of every part until there is an answer, and calls `late`, at most once, if the rest takes too long.
   *
   * A client may wait for an interim answer before it sends the body. The library gives it only where `Expect` is written in
   * lower case, and has no way to give another: so this one goes out as a status line with an empty line after it, and whoever
   * answers writes the real status line with the first header.
   */
  receive(part: OnPart, late: (problem: Problem) => void): void {
    this.#receiving = true
    if (this.#expectant) {
      this.#expectant = false
      this.continued = true
      this.#res.writeStatus("100 Continue\r\n")
    }
    this.#res.onData((chunk, isLast) => {
      if (this.#over) return
      if (isLast) this.#arrived()
      else {
        this.#arrival ??= this.#awaitRest(late)
        this.#arrival.heard(chunk.byteLength)
        this.#reprieve(this.#arrival.heardAt)
      }
      if (this.#answer === null) part(chunk, isLast)
      else if (isLast) this.#answer(false)
      else if ((this.#arrival?.bytes ?? 0) > DISCARD_BYTES) this.#answer(true)
    })
  }

  /** Reads what nobody has asked for. To be called before the request's handler returns. */
  overlook(): void {
    if (this.arriving && !this.#receiving) this.receive(nothing, nothing)
  }

  #reprieve(now: number): void {
    if (this.#reprievedAt === 0) this.#reprievedAt = now
    if (now - this.#reprievedAt < REPRIEVE_EVERY_MS) return
    this.#reprievedAt = now
    this.#res.pause()
    this.#res.resume()
  }

  #awaitRest(late: (problem: Problem) => void): Arrival {
    return this.#arrivals.begin((problem) => {
      if (this.#answer === null) late(problem)
      else this.#answer(true)
    })
  }

  #arrived(): void {
    this.arriving = false
    if (this.#arrival !== null) this.#arrivals.end(this.#arrival)
  }

  /** The request has been answered, or its client has left: nobody hears of what may still come. */
  end(): void {
    this.#over = true
    this.#arrived()
  }

  /** Calls `answer` once the rest has arrived; at once if that is too long. It is told whether to close the connection. */
  afterwards(answer: (close: boolean) => void): void {
    // A client that has not been told to go on sends no body once it has an answer.
    if (this.#expectant || this.#tooLong) answer(true)
    else {
      this.#answer = answer
      this.overlook()
      this.#arrival ??= this.#awaitRest(nothing)
    }
  }
}

const nothing = () => {}
