/** `/stats`, `/themes`, `/letters`, `/heatmap` and `/history` of any time, in any time zone, filtered: by questions to the events. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { PageQuery } from "../../domain/pageQuery.ts"
import { pageOf } from "../../domain/pageUrl.ts"
import { MINUTE_MS } from "../../domain/time.ts"
import type { Query } from "../../query/language/index.ts"
import type { Exchange } from "../http/exchange.ts"
import type { Problem } from "../http/problem.ts"
import { Parameters } from "../http/query.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Questions } from "../services/questions.ts"
import {
  type Ask,
  type Ranged,
  rangedHeatmap,
  rangedHistory,
  rangedLetters,
  rangedStats,
  rangedThemes,
} from "../services/rangedFigures.ts"
import type { Runner } from "../services/readCache.ts"
import { HEATMAP_GRID, HEATMAP_LIMIT, HISTORY_MINUTES, THEMES_LIMIT } from "./parameters.ts"
import { jsonOr } from "./queries.ts"
import { type ReadEndpoint, storedUrl } from "./reads.ts"

/** Parameters with which events are asked in place of the endpoint's own time. */
const ASKING = ["date_range", "time_zone", "filters"] as const

type Answer = (ask: Ask<Problem>, query: Query) => Effect.Effect<Ranged<unknown, object>, Problem>

interface RangedRead {
  /** The parameter that says the endpoint's own time, which goes with none of these. */
  readonly time: "period" | "hours" | "minutes"
  /** `date_range` where only others of them are given: the endpoint's own time where that is not said. */
  readonly range: (now: number) => unknown
  readonly interval?: "day" | "minute"
  /** Reads the endpoint's other parameters. */
  readonly read: (parameters: Parameters) => Answer
}

/** The last minutes, the one that has begun included. */
const lastMinutes = (now: number, minutes: number): ReadonlyArray<string> => {
  const end = Math.floor(now / MINUTE_MS) + 1
  return [end - minutes, end].map((minute) => new Date(minute * MINUTE_MS).toISOString())
}

const rangedReads = (pageQuery: PageQuery) =>
  ({
    stats: { time: "period", range: () => "day", read: () => rangedStats },
    themes: {
      ...{ time: "period", range: () => "all" },
      read: (parameters) => {
        const limit = parameters.integer("limit", THEMES_LIMIT)
        return (ask, query) => rangedThemes(ask, query, limit)
      },
    },
    letters: { time: "period", range: () => "day", interval: "day", read: () => rangedLetters },
    heatmap: {
      ...{ time: "hours", range: () => "24h" },
      read: (parameters) => {
        const url = parameters.text("page_url") ?? parameters.text("page")
        const grid = parameters.integer("grid", HEATMAP_GRID) || null
        const limit = parameters.integer("limit", HEATMAP_LIMIT)
        const page = url ? { url, ...pageOf(storedUrl(pageQuery, url)) } : null
        return (ask, query) => rangedHeatmap(ask, query, { page, grid, limit })
      },
    },
    history: {
      ...{ time: "minutes", range: (now) => lastMinutes(now, HISTORY_MINUTES.fallback), interval: "minute" },
      read: () => rangedHistory,
    },
  }) satisfies { readonly [endpoint in ReadEndpoint]?: RangedRead }

export type RangedEndpoint = keyof ReturnType<typeof rangedReads>

export interface RangedReadsOptions {
  readonly questions: Questions
  readonly pageQuery: PageQuery
  readonly run: Runner
  /** Unix milliseconds. */
  readonly now: () => number
}

export class RangedReads {
  readonly #options: RangedReadsOptions
  readonly #reads: { readonly [endpoint in RangedEndpoint]: RangedRead }

  constructor(options: RangedReadsOptions) {
    this.#options = options
    this.#reads = rangedReads(options.pageQuery)
  }

  /** Whether a request is for this; if not, it is for what the endpoint answers of its own time. */
  isAsked(endpoint: ReadEndpoint, req: IncomingRequest): endpoint is RangedEndpoint {
    if (!Object.hasOwn(this.#reads, endpoint)) return false
    const given = new URLSearchParams(req.getQuery() ?? "")
    return ASKING.some((name) => given.has(name))
  }

  answer(endpoint: RangedEndpoint, exchange: Exchange, req: IncomingRequest) {
    const { questions, run, now } = this.#options
    const { time, range, interval, read } = this.#reads[endpoint]
    const { sites } = exchange.access
    const parameters = new Parameters(req.getQuery() ?? "")
    const site = parameters.sites(sites)
    const own = parameters.text(time)
    if (own !== null) parameters.refuse(time, own, `left out where there is ${ASKING.join(" or ")}`)
    const figures = read(parameters)
    const body: { [name: string]: unknown } = {
      site,
      metrics: ["events"],
      date_range: range(now()),
      interval,
    }
    for (const name of ASKING) {
      const text = parameters.text(name)
      if (text !== null) body[name] = jsonOr(text)
    }
    if (parameters.problem !== null) return exchange.refuse(parameters.problem)
    const answered = Effect.flatMap(questions.decodeWhole(body, sites), (query) =>
      figures((each) => questions.ask(each), query),
    )
    run(answered).addObserver((exit) => {
      if (Exit.isFailure(exit)) exchange.failCause(exit.cause)
      else exchange.json({ success: true, ...exit.value })
    })
  }
}
