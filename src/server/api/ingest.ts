/**
 * `POST /event` and `POST /events`: from a request to the stream. Synchronous, one pass, these steps for each event:
 *
 * 1. the sender: framing, media type, write key, rate limit (`sender`)
 * 2. the body: size, time, UTF-8, JSON (`body.ts`)
 * 3. the event: fields and limits (`domain/event.ts`)
 * 4. the visitor: explicit, by cookie, or derived (`visitors.ts`)
 * 5. the stream: durable, then the answer
 *
 * Each step may refuse; every refusal of an event is counted by its code in `Ingest.#count`.
 */
import type { HttpRequest } from "uWebSockets.js"
import { decodeEvent, decodeSite, type EventContext, encodePayload, Rejection } from "../../domain/event.ts"
import { MAX_BATCH_BODY_BYTES, MAX_EVENT_BODY_BYTES } from "../../domain/limits.ts"
import { partitionOf } from "../../domain/visitor.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import { type Bodies, type BodyFormat, bodyFormat, bodyText, parseJson } from "../http/body.ts"
import { limitKey, socketAddress, type TrustedProxies } from "../http/clientAddress.ts"
import { type Exchange, JSON_TYPE } from "../http/exchange.ts"
import type { RequestHeaders } from "../http/headers.ts"
import { appendProblem, Problem } from "../http/problem.ts"
import type { ProblemCode } from "../http/problemCodes.ts"
import { Parameters } from "../http/query.ts"
import type { Grant, RateLimit } from "../http/rateLimit.ts"
import { bearerToken, type Secrets } from "../http/secrets.ts"
import type { Appender, AppendFailure } from "../services/services.ts"
import { type BatchItem, batchItems } from "./batchBody.ts"
import type { VisitorHints, Visitors } from "./visitorOf.ts"

const TRACKED = Buffer.from('{"success":true,"message":"Event tracked successfully"}')
const NO_STORE = { lines: "Cache-Control: no-store\r\n" }

const WRONG_KEY = Problem.of("INVALID_WRITE_KEY", "WWW-Authenticate: Bearer\r\n")
const NO_DERIVED_VISITOR: AppendFailure = "STREAM_UNAVAILABLE"

/** What a refused event of a batch is listed as. */
interface Refused {
  readonly index: number
  readonly code: ProblemCode
  readonly error: string
}

/** Who sends: read from the headers, since the request is gone when its body arrives. */
interface Sender extends VisitorHints {
  readonly context: EventContext
  readonly format: BodyFormat
  /** The sender asked not to be tracked, and is not. */
  readonly untracked: boolean
  /** A write key lifts the rate limit. */
  readonly unlimited: boolean
  readonly contentLength: string
}

export interface IngestOptions {
  readonly appender: Appender
  readonly visitors: Visitors
  readonly bodies: Bodies
  readonly proxies: TrustedProxies
  readonly rateLimit: RateLimit | null
  readonly writeKeys: Secrets
  readonly sites: ReadonlySet<string>
  readonly defaultSite: string
  readonly partitions: number
  readonly respectDnt: boolean
  readonly metrics: Metrics
  /** Unix milliseconds. */
  readonly now: () => number
}

export class Ingest {
  readonly #options: IngestOptions

  constructor(options: IngestOptions) {
    this.#options = options
  }

  /** `POST /event`. */
  event(exchange: Exchange, req: HttpRequest) {
    const sender = this.#sender(exchange, req, false)
    if (sender instanceof Problem) return this.#refuse(exchange, sender)
    if (!this.#admit(exchange, sender, 1)) return
    this.#options.bodies.read(
      exchange,
      sender.contentLength,
      MAX_EVENT_BODY_BYTES,
      (body) => this.#single(exchange, sender, body),
      (problem, close) => this.#refuse(exchange, problem, close),
    )
  }

  /** `POST /events`. */
  events(exchange: Exchange, req: HttpRequest) {
    const sender = this.#sender(exchange, req, true)
    if (sender instanceof Problem) return this.#refuse(exchange, sender)
    if (this.#hasSpentItsBudget(exchange, sender)) return
    this.#options.bodies.read(
      exchange,
      sender.contentLength,
      MAX_BATCH_BODY_BYTES,
      (body) => this.#batch(exchange, sender, body),
      (problem, close) => this.#refuse(exchange, problem, close),
    )
  }

  #count(code: ProblemCode | "DO_NOT_TRACK", events: number) {
    this.#options.metrics.eventsRejected.inc({ reason: code }, events)
  }

  /** Refuses a whole request. */
  #refuse(exchange: Exchange, problem: Problem, close = false) {
    this.#count(problem.code, 1)
    exchange.refuse(problem, { close })
  }

  #sender({ res, headers }: Exchange, req: HttpRequest, batch: boolean): Sender | Problem {
    const { sites, defaultSite, writeKeys, proxies, respectDnt, now } = this.#options
    const format = bodyFormat(headers, batch)
    if (format instanceof Problem) return format
    const unlimited = writeKeys.any ? this.#holdsKey(headers) : false
    if (unlimited === null) return WRONG_KEY
    const query = req.getQuery()
    let site = defaultSite
    if (query) {
      const parameters = new Parameters(query)
      const named = decodeSite(parameters.text("site"), { site: defaultSite, sites })
      if (parameters.problem !== null) return parameters.problem
      if (named instanceof Rejection) return new Problem(named.code, named.error)
      site = named
    }
    const { referer } = headers
    const forwarded = proxies.any ? headers.forwardedFor : ""
    let address: string | null = null
    return {
      context: {
        now: now(),
        sites,
        site,
        referer: referer === "" || referer.includes("\u0000") ? null : referer,
      },
      format,
      untracked: respectDnt && (headers.dnt === "1" || headers.gpc === "1"),
      unlimited,
      header: headers.visitorId,
      cookie: headers.cookie,
      userAgent: headers.userAgent,
      contentLength: headers.contentLength,
      address: () => {
        address ??= proxies.client(socketAddress(res.getRemoteAddress()), forwarded)
        return address
      },
    }
  }

  /** Whether the request carries a write key; `null` when it carries a wrong one. */
  #holdsKey(headers: RequestHeaders): boolean | null {
    const { writeKey, authorization } = headers
    if (writeKey === "" && authorization === "") return false
    const given = writeKey === "" ? bearerToken(authorization) : writeKey
    if (given === null) return false
    return this.#options.writeKeys.accepts(given) ? true : null
  }

  /** Events of `wanted` that the sender may still send; refuses the request and gives 0 when it may send none. */
  #admit(exchange: Exchange, sender: Sender, wanted: number): number {
    const { rateLimit } = this.#options
    if (rateLimit === null || sender.unlimited || wanted === 0) return wanted
    const grant = rateLimit.take(limitKey(sender.address()), wanted, sender.context.now)
    if (grant.granted === 0) this.#refuseLimited(exchange, rateLimit, grant, wanted)
    else exchange.lines += rateLimit.headers(grant)
    return grant.granted
  }

  /** Refuses a batch whose sender may send nothing more, before its body is read. */
  #hasSpentItsBudget(exchange: Exchange, sender: Sender): boolean {
    const { rateLimit } = this.#options
    if (rateLimit === null || sender.unlimited) return false
    const grant = rateLimit.take(limitKey(sender.address()), 0, sender.context.now)
    if (grant.remaining > 0) return false
    this.#refuseLimited(exchange, rateLimit, grant, 1)
    return true
  }

  #refuseLimited(exchange: Exchange, rateLimit: RateLimit, grant: Grant, events: number) {
    this.#count("RATE_LIMITED", events)
    exchange.lines += rateLimit.headers(grant)
    exchange.refuse(
      new Problem("RATE_LIMITED", this.#limitMessage(rateLimit), `Retry-After: ${grant.reset}\r\n`),
    )
  }

  #limitMessage(rateLimit: RateLimit): string {
    return `An address may send ${rateLimit.limit} events a minute.`
  }

  /**
   * Steps 3 to 5 of one event. `done` is called with `null` when it is durable, and later than this call; a refusal that
   * is known at once is returned instead, `null` otherwise.
   */
  #take(
    value: unknown,
    sender: Sender,
    done: (failure: AppendFailure | null) => void,
  ): Rejection | AppendFailure | null {
    const { visitors, appender, partitions } = this.#options
    const event = decodeEvent(value, sender.context)
    if (event instanceof Rejection) return event
    if (sender.untracked) {
      this.#count("DO_NOT_TRACK", 1)
      queueMicrotask(() => done(null))
      return null
    }
    const visitor = visitors.of(event, sender, sender.context.now)
    if (visitor === null) return NO_DERIVED_VISITOR
    if (visitor instanceof Rejection) return visitor
    appender.append(partitionOf(visitor, partitions), encodePayload(event, visitor), done)
    return null
  }

  #single(exchange: Exchange, sender: Sender, body: ArrayBuffer | Buffer) {
    const text = bodyText(body)
    if (text instanceof Problem) return this.#refuse(exchange, text)
    const parsed = parseJson(text)
    if (parsed instanceof Problem) return this.#refuse(exchange, parsed)
    const refused = this.#take(parsed.value, sender, (failure) => {
      if (failure === null) exchange.answer("201 Created", JSON_TYPE, TRACKED, NO_STORE)
      else this.#refuse(exchange, appendProblem(failure))
    })
    if (refused === null) return
    this.#refuse(
      exchange,
      refused instanceof Rejection ? new Problem(refused.code, refused.error) : appendProblem(refused),
    )
  }

  #batch(exchange: Exchange, sender: Sender, body: ArrayBuffer | Buffer) {
    const text = bodyText(body)
    if (text instanceof Problem) return this.#refuse(exchange, text)
    const items = batchItems(text, sender.format)
    if (items instanceof Problem) return this.#refuse(exchange, items)
    const admitted = this.#admit(exchange, sender, items.length)
    if (admitted === 0 && items.length > 0) return
    this.#takeAll(exchange, sender, items, admitted)
  }

  /**
   * Takes the valid events of a batch. The answer is 201 even when none was valid, for the body was read and every event
   * has its own reason; it is 503 only when nothing but durability failed, so that the whole batch may be sent again.
   */
  #takeAll(exchange: Exchange, sender: Sender, items: ReadonlyArray<BatchItem>, admitted: number) {
    const { rateLimit } = this.#options
    const refused: Array<Refused> = []
    let undurable = 0
    let lastFailure: AppendFailure = "STREAM_UNAVAILABLE"
    let open = items.length
    const close = () => {
      if (--open > 0) return
      if (items.length > 0 && undurable === items.length) return exchange.refuse(appendProblem(lastFailure))
      refused.sort((a, b) => a.index - b.index)
      const data = { accepted: items.length - refused.length, rejected: refused }
      exchange.answer("201 Created", JSON_TYPE, JSON.stringify({ success: true, data }), NO_STORE)
    }
    const refuse = (index: number, why: { readonly code: ProblemCode; readonly error: string }) => {
      refused.push({ index, code: why.code, error: why.error })
      this.#count(why.code, 1)
      close()
    }
    const undone = (index: number, failure: AppendFailure) => {
      undurable++
      lastFailure = failure
      refuse(index, appendProblem(failure))
    }
    for (const [index, item] of items.entries()) {
      if (index >= admitted && rateLimit !== null) {
        refuse(index, { code: "RATE_LIMITED", error: this.#limitMessage(rateLimit) })
        continue
      }
      const parsed = item.line === undefined ? item : parseJson(item.line)
      if (parsed instanceof Problem) {
        refuse(index, parsed)
        continue
      }
      const outcome = this.#take(parsed.value, sender, (failure) =>
        failure === null ? close() : undone(index, failure),
      )
      if (outcome instanceof Rejection) refuse(index, outcome)
      else if (outcome !== null) undone(index, outcome)
    }
    if (items.length === 0) close()
  }
}
