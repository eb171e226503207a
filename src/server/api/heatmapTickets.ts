/** `POST /heatmap/tickets` and `POST /heatmap/page`: the heatmap of one page, for the script that shows it over that page. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { MAX_ACCOUNT_BODY_BYTES, MAX_URL_LENGTH } from "../../domain/limits.ts"
import type { PageQuery } from "../../domain/pageQuery.ts"
import { pageOf } from "../../domain/pageUrl.ts"
import { encodeQuery } from "../../query/language/index.ts"
import type { Gate } from "../access/gate.ts"
import { granterOf } from "../http/access.ts"
import { type Bodies, readJson } from "../http/body.ts"
import type { Exchange } from "../http/exchange.ts"
import { Problem } from "../http/problem.ts"
import type { HeatmapTickets, TicketFor } from "../services/heatmapTickets.ts"
import type { Questions } from "../services/questions.ts"
import { rangedHeatmap } from "../services/rangedFigures.ts"
import type { Runner } from "../services/readCache.ts"
import { Fields } from "./fields.ts"
import { HEATMAP_LIMIT } from "./parameters.ts"
import { storedUrl } from "./reads.ts"

/** Characters of a ticket, at most: those of its filters, and some more. */
export const MAX_TICKET = MAX_ACCOUNT_BODY_BYTES - 100

export interface HeatmapTicketsOptions {
  readonly tickets: HeatmapTickets
  readonly questions: Questions
  readonly pageQuery: PageQuery
  readonly gate: Pick<Gate, "current" | "suffices" | "seenWith">
  readonly bodies: Bodies
  readonly run: Runner
}

const NO_TICKET = new Problem("UNAUTHORIZED", "The ticket is none, or is not good any more.")
const TOO_LONG = new Problem("INVALID_FIELD", "filters should be fewer, or shorter.")

/** What of a question a ticket holds. */
const QUESTION_FIELDS = ["site", "date_range", "time_zone", "filters"] as const

export class HeatmapTicketsEndpoint {
  readonly #options: HeatmapTicketsOptions

  constructor(options: HeatmapTicketsOptions) {
    this.#options = options
  }

  /** Makes a ticket for whoever may see the figures. */
  make(exchange: Exchange) {
    const { questions, tickets, bodies, run } = this.#options
    const { grant, sites } = exchange.access
    readJson(bodies, exchange, MAX_ACCOUNT_BODY_BYTES, (body) => {
      const fields = new Fields(body)
      const pageUrl = fields.text("page_url", 1, MAX_URL_LENGTH)
      if (fields.problem !== null) return exchange.refuse(fields.problem)
      const asked = Object.fromEntries(QUESTION_FIELDS.map((name) => [name, fields.value(name)]))
      run(questions.decodeWhole({ ...asked, metrics: ["events"] }, sites)).addObserver((exit) => {
        if (Exit.isFailure(exit)) return exchange.failCause(exit.cause)
        const { sites: of, filters, date_range, time_zone } = encodeQuery(exit.value)
        const query = { sites: of, metrics: ["events"], filters, date_range, time_zone }
        const made = tickets.make({ page_url: pageUrl, query, by: granterOf(grant) })
        if (made === null) return exchange.refuse(Problem.of("STORE_UNAVAILABLE"))
        if (made.ticket.length > MAX_TICKET) return exchange.refuse(TOO_LONG)
        const expires_at = new Date(made.until).toISOString()
        exchange.json({ success: true, data: { ticket: made.ticket, expires_at } })
      })
    })
  }

  /** Answers the script that has a ticket. */
  show(exchange: Exchange) {
    const { questions, tickets, pageQuery, bodies, run } = this.#options
    readJson(bodies, exchange, MAX_ACCOUNT_BODY_BYTES, (body) => {
      const fields = new Fields(body)
      const ticket = tickets.read(fields.text("ticket", 1, MAX_TICKET))
      if (fields.problem !== null) return exchange.refuse(fields.problem)
      if (ticket === null || !this.#isGood(ticket)) return exchange.refuse(NO_TICKET)
      const { page_url: url, query } = ticket
      const page = { url, ...pageOf(storedUrl(pageQuery, url)) }
      const declared = { declared: new Set(query.sites), default: query.sites[0] ?? "" }
      const clicks = Effect.flatMap(questions.decodeWhole(query, declared), (of) =>
        rangedHeatmap((each) => questions.ask(each), of, { page, grid: null, limit: HEATMAP_LIMIT.max }),
      )
      run(clicks).addObserver((exit) => {
        if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
        else exchange.json({ success: true, ...exit.value })
      })
    })
  }

  /** Whether who made a ticket may still see the figures of all of its sites. */
  #isGood({ by, query }: TicketFor): boolean {
    const { gate } = this.#options
    const grant = gate.current(by)
    if (grant === null || !gate.suffices(grant, "figures")) return false
    const { declared } = gate.seenWith(grant).sites
    return query.sites.every((site) => declared.has(site))
  }
}
