/**
 * `POST /event` and `POST /events`, and `GET /event` (`pixel.ts`): from a request, whose framing the router has checked, to the stream. Synchronous, in
 * one pass; the methods stand in the order of the steps:
 *
 * 1. `senderOf` (`sender.ts`): media type, write key, site, and what the headers say of the visitor
 * 2. `#admit`: the rate limit; events of a batch can be counted only after step 3, so before it a batch is refused only
 *    when nothing is left (`#hasSpentItsBudget`)
 * 3. `#body`: size, time, UTF-8
 * 4. `#single` and `#batch`: JSON, and the answer
 * 5. `#take`, for each event: fields and limits (`domain/event.ts`), the sender's wish not to be tracked, what the request tells
 *    (`enrichment/enricher.ts`), the visitor (`visitorOf.ts`), the stream
 *
 * Each step may refuse; every event that is dropped is counted by its {@link DropReason} in `#drop`, which also tells those who set
 * the site up (`refusals.ts`).
 *
 * What happens when something is missing:
 *
 * | missing                        | then                                                                      | fails  |
 * | ------------------------------ | ------------------------------------------------------------------------- | ------ |
 * | Redis, or its reply in time    | 503 `STREAM_UNAVAILABLE`: what is not durable is not acknowledged         | closed |
 * | room in the partition's stream | 503 `BACKLOG_FULL`                                                        | closed |
 * | Postgres                       | taken: events wait in the stream while there is room                      | open   |
 * | the day's key                  | 503 `STREAM_UNAVAILABLE` to events whose visitor would be derived with it | closed |
 * | a visitor                      | derived; 400 `MISSING_VISITOR` with `REQUIRE_VISITOR`                     | open   |
 * | a write key                    | limited by address; a wrong one is 401 where `WRITE_KEYS` are set         | open   |
 * | a rate limit (set to 0)        | every event is taken                                                      | open   |
 * | room for an address' window    | the oldest window is forgotten, and its address begins again              | open   |
 * | a trusted proxy                | limited and derived by the socket's address, whatever the headers say     | closed |
 * | `RESPECT_DNT`                  | `DNT` and `Sec-GPC` are ignored                                           | open   |
 * | a site                         | the default one; one that is not declared is 400 `UNKNOWN_SITE`           | open   |
 * | a media type                   | read as JSON; another one is 415 `UNSUPPORTED_MEDIA_TYPE`                 | open   |
 * | an `id`                        | taken; the same event sent again counts again                             | open   |
 */
import { botKindOf, OTHER_HOST } from "../../domain/dimensions.ts"
import { decodeEvent, type EventInput, Rejection } from "../../domain/event.ts"
import { MAX_BATCH_BODY_BYTES, MAX_EVENT_BODY_BYTES } from "../../domain/limits.ts"
import { partsOf } from "../../domain/pageUrl.ts"
import { encodePayload } from "../../domain/payload.ts"
import { partitionOf } from "../../domain/visitor.ts"
import type { Enricher } from "../../enrichment/enricher.ts"
import type { Metrics } from "../../metrics/metrics.ts"
import type { Exclusions } from "../../sites/index.ts"
import { type Bodies, bodyText, parseJson } from "../http/body.ts"
import { limitKey } from "../http/clientAddress.ts"
import { type Exchange, JSON_TYPE } from "../http/exchange.ts"
import type { RequestHeaders } from "../http/headers.ts"
import { appendProblem, Problem } from "../http/problem.ts"
import type { DropReason, ProblemCode, SilentDrop } from "../http/problemCodes.ts"
import { Parameters } from "../http/query.ts"
import type { Grant, RateLimit } from "../http/rateLimit.ts"
import { DROP_REASONS } from "../http/refusalCodes.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Appender, AppendFailure } from "../services/services.ts"
import { type BatchItem, batchItems } from "./batchBody.ts"
import { answerPixel, eventInQuery } from "./pixel.ts"
import { hostOf, type Refusals } from "./refusals.ts"
import { type Sender, type SenderOptions, senderOf } from "./sender.ts"
import type { Visitors } from "./visitorOf.ts"

const TRACKED = Buffer.from('{"success":true,"message":"Event tracked successfully"}')
const NO_STORE = { lines: "Cache-Control: no-store\r\n" }

const NO_DERIVED_VISITOR: AppendFailure = "STREAM_UNAVAILABLE"
const DO_NOT_TRACK: SilentDrop = "DO_NOT_TRACK"
const BOT: SilentDrop = "BOT"
const EXCLUDED: SilentDrop = "EXCLUDED"
const isSilent = (outcome: AppendFailure | SilentDrop): outcome is SilentDrop =>
  outcome === DO_NOT_TRACK || outcome === BOT || outcome === EXCLUDED

/** How a refused event of a batch is listed. */
interface Refused {
  readonly index: number
  readonly code: ProblemCode
  readonly error: string
}

export interface IngestOptions extends SenderOptions {
  readonly appender: Appender
  readonly visitors: Visitors
  readonly enricher: Enricher
  readonly bodies: Bodies
  readonly rateLimit: RateLimit | null
  readonly partitions: number
  readonly metrics: Metrics
  readonly refusals: Refusals
}

const ELSEWHERE = new Rejection(
  "HOST_NOT_ALLOWED",
  "The site takes events of its own hosts only: of a page there, or with a write key.",
)

/** The host of an event's page; `null` where neither the event nor its request says. */
const pageHost = ({ sentPageUrl }: EventInput, { headers }: Sender): string | null =>
  sentPageUrl !== null && URL.canParse(sentPageUrl) ? new URL(sentPageUrl).host : hostOf(headers)

/** Whether a site leaves an event out: by its page, or by its visitor's address, which a server with a write key does not tell. */
const isExcluded = (excluded: Exclusions, { sentPageUrl }: EventInput, sender: Sender): boolean =>
  (sentPageUrl !== null && excluded.hasPath(partsOf(sentPageUrl).path)) ||
  (!sender.unlimited && excluded.hasAddress(sender.address()))

/** What an event, or else its request, calls its site. */
const siteNamed = (value: unknown, { context }: Sender): string =>
  typeof value === "object" && value !== null && "site" in value && typeof value.site === "string"
    ? value.site
    : context.site

export class Ingest {
  readonly #options: IngestOptions

  constructor(options: IngestOptions) {
    this.#options = options
    for (const reason of DROP_REASONS) options.metrics.eventsRejected.inc({ reason }, 0)
  }

  /** `POST /event`. */
  event(exchange: Exchange, req: IncomingRequest) {
    const sender = senderOf(exchange, req, "event", this.#options)
    if (sender instanceof Problem) return this.#refuse(exchange, sender, this.#siteOf(req))
    if (this.#admit(exchange, sender, 1) === 0) return
    this.#body(exchange, sender, MAX_EVENT_BODY_BYTES, (text) => this.#single(exchange, sender, text))
  }

  /** What a request calls its events' site. */
  #siteOf(req: IncomingRequest): string {
    return new Parameters(req.getQuery() ?? "").text("site") ?? this.#options.sites.current.default
  }

  /** `GET /event`. */
  pixel(exchange: Exchange, req: IncomingRequest) {
    const sender = senderOf(exchange, req, "query", this.#options)
    if (sender instanceof Problem) return this.#refuse(exchange, sender, this.#siteOf(req))
    // Who asks what a GET would answer sends nothing.
    if (exchange.method === "HEAD") return answerPixel(exchange)
    const parameters = new Parameters(req.getQuery() ?? "")
    const value = eventInQuery(parameters, sender.context.referer)
    if (parameters.problem !== null) return this.#refuse(exchange, parameters.problem, sender.context.site)
    if (this.#admit(exchange, sender, 1) > 0)
      this.#takeOne(exchange, sender, value, () => answerPixel(exchange))
  }

  /** `POST /events`. */
  events(exchange: Exchange, req: IncomingRequest) {
    const sender = senderOf(exchange, req, "batch", this.#options)
    if (sender instanceof Problem) return this.#refuse(exchange, sender, this.#siteOf(req))
    if (this.#hasSpentItsBudget(exchange, sender)) return
    this.#body(exchange, sender, MAX_BATCH_BODY_BYTES, (text) => this.#batch(exchange, sender, text))
  }

  /** A page's browser was told that it may not send what it has. A preflight has no body, so it hardly says which site's it is. */
  kept({ headers }: Exchange, req: IncomingRequest) {
    const named = new Parameters(req.getQuery() ?? "").text("site") ?? ""
    if (headers.origin !== "") this.#options.refusals.note(named, "CORS", headers, 1)
  }

  /** Events of `wanted` that the sender may still send; refuses the request and returns 0 when it may send none. */
  #admit(exchange: Exchange, sender: Sender, wanted: number): number {
    const { rateLimit } = this.#options
    if (rateLimit === null || sender.unlimited || wanted === 0) return wanted
    const grant = rateLimit.take(limitKey(sender.address()), wanted, sender.context.now)
    if (grant.granted === 0) this.#refuseLimited(exchange, sender, rateLimit, grant, wanted)
    else exchange.lines += rateLimit.headers(grant)
    return grant.granted
  }

  /** Refuses a batch, before its body is read, if its sender may send nothing more; returns whether it did. */
  #hasSpentItsBudget(exchange: Exchange, sender: Sender): boolean {
    const { rateLimit } = this.#options
    if (rateLimit === null || sender.unlimited) return false
    const grant = rateLimit.take(limitKey(sender.address()), 0, sender.context.now)
    if (grant.remaining > 0) return false
    this.#refuseLimited(exchange, sender, rateLimit, grant, 1)
    return true
  }

  #refuseLimited(
    exchange: Exchange,
    { context }: Sender,
    rateLimit: RateLimit,
    grant: Grant,
    events: number,
  ) {
    this.#drop("RATE_LIMITED", context.site, exchange.headers, events)
    exchange.lines += rateLimit.headers(grant)
    exchange.refuse(
      new Problem("RATE_LIMITED", this.#limitMessage(rateLimit), `Retry-After: ${grant.reset}\r\n`),
    )
  }

  #limitMessage(rateLimit: RateLimit): string {
    return `An address may send ${rateLimit.limit} events a minute.`
  }

  /** Reads the text of a body of at most `cap` bytes; `done` is not called for one that is refused. */
  #body(exchange: Exchange, { context }: Sender, cap: number, done: (text: string) => void) {
    this.#options.bodies.read(
      exchange,
      cap,
      (body) => {
        const text = bodyText(body)
        if (text instanceof Problem) this.#refuse(exchange, text, context.site)
        else done(text)
      },
      (problem, close) => this.#refuse(exchange, problem, context.site, close),
    )
  }

  #single(exchange: Exchange, sender: Sender, text: string) {
    const parsed = parseJson(text)
    if (parsed instanceof Problem) return this.#refuse(exchange, parsed, sender.context.site)
    this.#takeOne(exchange, sender, parsed.value, () =>
      exchange.answer("201 Created", JSON_TYPE, TRACKED, NO_STORE),
    )
  }

  /** Takes the one event of a request; `done` answers when it is durable, or dropped in silence. */
  #takeOne(exchange: Exchange, sender: Sender, value: unknown, done: () => void) {
    const refuse = (problem: Problem) => this.#refuse(exchange, problem, siteNamed(value, sender))
    const outcome = this.#take(value, sender, (failure) => {
      if (failure === null) done()
      else refuse(appendProblem(failure))
    })
    if (outcome === null) return
    if (outcome instanceof Rejection) return refuse(new Problem(outcome.code, outcome.error))
    if (!isSilent(outcome)) return refuse(appendProblem(outcome))
    this.#drop(outcome, siteNamed(value, sender), exchange.headers, 1)
    done()
  }

  #batch(exchange: Exchange, sender: Sender, text: string) {
    const items = batchItems(text, sender.format)
    if (items instanceof Problem) return this.#refuse(exchange, items, sender.context.site)
    const admitted = this.#admit(exchange, sender, items.length)
    if (admitted === 0 && items.length > 0) return
    this.#takeAll(exchange, sender, items, admitted)
  }

  /**
   * Takes the valid events of a batch. The answer is 201 even if none is valid, because the body was read and each event
   * has its own reason; it is 503 only if all of them failed to become durable, so that the whole batch may be sent again.
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
    const drop = (reason: DropReason, value?: unknown) =>
      this.#drop(reason, siteNamed(value, sender), exchange.headers, 1)
    const refuse = (
      index: number,
      why: { readonly code: ProblemCode; readonly error: string },
      value?: unknown,
    ) => {
      refused.push({ index, code: why.code, error: why.error })
      drop(why.code, value)
      close()
    }
    const undone = (index: number, failure: AppendFailure, value: unknown) => {
      undurable++
      lastFailure = failure
      refuse(index, appendProblem(failure), value)
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
      const { value } = parsed
      const outcome = this.#take(value, sender, (failure) =>
        failure === null ? close() : undone(index, failure, value),
      )
      if (outcome === null) continue
      if (outcome instanceof Rejection) refuse(index, outcome, value)
      else if (!isSilent(outcome)) undone(index, outcome, value)
      else {
        drop(outcome, value)
        close()
      }
    }
    if (items.length === 0) close()
  }

  /**
   * Takes one event. Returns why it is dropped if that is known at once; else `null`, and `done` is called later than this
   * call, with `null` once the event is durable.
   */
  #take(
    value: unknown,
    sender: Sender,
    done: (failure: AppendFailure | null) => void,
  ): Rejection | AppendFailure | SilentDrop | null {
    const { visitors, enricher, appender, partitions, refusals, sites } = this.#options
    const event = decodeEvent(value, sender.context)
    if (event instanceof Rejection) return event
    const own = sender.unlimited ? undefined : sites.current.ownHosts.get(event.site)
    const isElsewhere = own !== undefined && !own.hosts.has(pageHost(event, sender) ?? "")
    if (isElsewhere && own.others === "refuse") return ELSEWHERE
    const excluded = sites.current.excluded.get(event.site)
    if (excluded !== undefined && isExcluded(excluded, event, sender)) return EXCLUDED
    if (sender.untracked) return DO_NOT_TRACK
    const facts = enricher.factsOf(event, sender, isElsewhere)
    if (facts === null) return BOT
    const visitor = visitors.of(event, sender, sender.context.now)
    if (visitor === null) return NO_DERIVED_VISITOR
    if (visitor instanceof Rejection) return visitor
    // It is stored, and in no figure; or counted, and its page does not learn that.
    if (facts.bot) {
      const isOther = isElsewhere && botKindOf(facts) === OTHER_HOST
      refusals.note(event.site, isOther ? ELSEWHERE.code : BOT, sender.headers, 1)
    } else if (sender.foreign) refusals.note(event.site, "ORIGIN_NOT_ALLOWED", sender.headers, 1)
    appender.append(partitionOf(visitor, partitions), encodePayload(event, visitor, facts), done)
    return null
  }

  /** Refuses a whole request. */
  #refuse(exchange: Exchange, problem: Problem, site: string, close = false) {
    this.#drop(problem.code, site, exchange.headers, 1)
    exchange.refuse(problem, { close })
  }

  #drop(reason: DropReason, site: string, headers: RequestHeaders, events: number) {
    this.#options.metrics.eventsRejected.inc({ reason }, events)
    this.#options.refusals.note(site, reason, headers, events)
  }
}
