/** What operators ask: liveness, readiness, metrics. */
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ReadinessReport } from "../../domain/answers.ts"
import { formatFor } from "../../metrics/exposition.ts"
import { type Exchange, JSON_TYPE, type Traffic } from "../http/exchange.ts"
import { Problem } from "../http/problem.ts"
import { PROBLEMS } from "../http/problemCodes.ts"
import type { IncomingRequest } from "../http/wire.ts"
import type { Runner } from "../services/readCache.ts"
import type { Services } from "../services/services.ts"

const deflate = promisify(gzip)

/** Quickly: a scrape goes no further than a network nearby. */
const compress = (text: string): Promise<Buffer> => deflate(text, { level: 1 })

const NOT_READY = Problem.of("NOT_READY")
const STOPPING = "The node is about to stop. It still serves; send new requests to another."
const NO_STORE = "Cache-Control: no-store\r\n"

export class Operations {
  readonly #readiness: Services["readiness"]
  readonly #metricsText: Services["metricsText"]
  readonly #run: Runner
  readonly #traffic: Pick<Traffic, "draining">

  constructor(
    { readiness, metricsText }: Pick<Services, "readiness" | "metricsText">,
    run: Runner,
    traffic: Pick<Traffic, "draining">,
  ) {
    this.#readiness = readiness
    this.#metricsText = metricsText
    this.#run = run
    this.#traffic = traffic
  }

  /** `GET /health`: the process answers. */
  health(exchange: Exchange): void {
    exchange.json({ success: true, status: "ok" })
  }

  /** `GET /ready`: the process can do its work; 503 with the same report when it cannot, or will stop soon. */
  ready(exchange: Exchange): void {
    this.#run(this.#readiness).addObserver((exit) => {
      if (Exit.isFailure(exit)) return exchange.failCause(exit.cause)
      const report = exit.value
      const data: ReadinessReport = this.#traffic.draining
        ? { ...report, ready: false, problems: [...report.problems, STOPPING] }
        : report
      if (data.ready) return exchange.json({ success: true, data })
      const { code, error, headers } = NOT_READY
      exchange.answer(
        PROBLEMS[code].status,
        JSON_TYPE,
        JSON.stringify({ success: false, error, code, data }),
        { lines: `${headers}${NO_STORE}` },
      )
    })
  }

  /** `GET /metrics`: Prometheus' text format, or OpenMetrics for who prefers it; compressed for who can read that. */
  metrics(exchange: Exchange, req: IncomingRequest): void {
    const format = formatFor(req.getHeader("accept"))
    const zipped = exchange.headers.gzip
    const answer = Effect.flatMap(this.#metricsText(format), ({ contentType, body }) =>
      Effect.promise(async () => ({ contentType, body: zipped ? await compress(body) : body })),
    )
    exchange.varies("Accept")
    exchange.varies("Accept-Encoding")
    this.#run(answer).addObserver((exit) => {
      if (Exit.isFailure(exit)) return exchange.fail(Cause.squash(exit.cause))
      const { contentType, body } = exit.value
      const encoding = typeof body === "string" ? "" : "Content-Encoding: gzip\r\n"
      exchange.answer("200 OK", contentType, body, { lines: NO_STORE + encoding })
    })
  }
}
