/** Checks health, readiness, and the shape of every answer that a client can get without changing anything. */

import * as Effect from "effect/Effect"
import { MAX_AHEAD_TEXT } from "../../domain/limits.ts"
import { API_PATH, WEBSOCKET_PATH } from "../../domain/paths.ts"
import { ask, type Deployment, dataOf, type NoAnswer, parsed, said, type TimedAnswer } from "./ask.ts"
import { Contract } from "./contract.ts"
import { type Finding, failed, ok, skipped, warning } from "./finding.ts"

/** Seconds by which clocks may differ before senders' timestamps are at risk. */
const MAX_CLOCK_DIFFERENCE_S = 60

/** `GET /health`. Fails if nothing answers, because then there is nothing else to check. */
export const health = (deployment: Deployment): Effect.Effect<Finding, NoAnswer> =>
  Effect.map(ask(deployment, "/health"), (answer) =>
    answer.status === 200 && parsed(answer.body).status === "ok"
      ? ok("health", "the process answers", answer.milliseconds)
      : failed(
          "health",
          answer.status === 505
            ? "status 505: a proxy in front of the node speaks HTTP/1.0 to it (nginx does without proxy_http_version 1.1)"
            : `${said(answer)}: is this a node's address?`,
        ),
  )

/** `GET /ready`: the stores from the node's point of view. */
export const readiness = (deployment: Deployment): Effect.Effect<Finding, NoAnswer> =>
  Effect.map(ask(deployment, "/ready"), (answer) => {
    const { redis, postgres, backlog, oldest_event_age_seconds: age, problems } = dataOf(answer.body)
    const stores = `Redis ${redis}, Postgres ${postgres}, ${backlog} events wait, the oldest for ${age} s`
    return answer.status === 200
      ? ok("readiness", stores, answer.milliseconds)
      : failed("readiness", Array.isArray(problems) ? problems.join(" ") : `${said(answer)} (${stores})`)
  })

/** The deployment's OpenAPI document, or what is wrong with it. */
export const contractOf = (
  deployment: Deployment,
): Effect.Effect<readonly [Finding, Contract | null], NoAnswer> =>
  Effect.map(ask(deployment, "/openapi.json"), (answer) => {
    const refused = (why: string) =>
      [failed("OpenAPI", `${why}: this is a node without the role http, or another server`), null] as const
    if (answer.status !== 200) return refused(said(answer))
    const document = parsed(answer.body)
    try {
      const contract = new Contract(document)
      const { info } = document
      const version =
        typeof info === "object" && info !== null && "version" in info ? String(info.version) : "?"
      return [
        ok("OpenAPI", `version ${version}, ${contract.operations.length} operations`, answer.milliseconds),
        contract,
      ] as const
    } catch (cause) {
      return refused(cause instanceof Error ? cause.message : String(cause))
    }
  })

const QUESTIONS = ["query", "query.csv", "query.json"].map((name) => `${API_PATH}/${name}`)

/** The first question starts the query engine. Milliseconds. */
const QUESTION_MS = 30_000

/** The request to send for an operation that changes nothing; `null` for other operations. */
const harmless = (
  method: string,
  path: string,
): { readonly path: string; readonly init: RequestInit } | null => {
  // GET /event counts one.
  const isRead = method === "GET" && path !== WEBSOCKET_PATH && path !== `${API_PATH}/event`
  // A question has to ask for something.
  if (isRead && QUESTIONS.includes(path)) return { path: `${path}?metrics=visitors&date_range=day`, init: {} }
  if (isRead && !path.includes("{")) return { path, init: {} }
  // An empty batch is valid and stores nothing.
  if (method === "POST" && path === `${API_PATH}/events`)
    return {
      path,
      init: { method: "POST", headers: { "Content-Type": "application/json" }, body: "[]" },
    }
  return null
}

const expectedStatus = (method: string): number => (method === "POST" ? 201 : 200)

const judged = (contract: Contract, answer: TimedAnswer): string | null => {
  const [violation] = contract.violations(answer)
  if (answer.status !== expectedStatus(answer.method)) return said(answer)
  return violation === undefined ? null : `not as documented: ${violation}`
}

/** Checks every endpoint that leaves no trace when called against the document; one finding if all are fine. */
export const endpoints = (
  deployment: Deployment,
  contract: Contract,
  site: string | null,
): Effect.Effect<ReadonlyArray<Finding>, never> =>
  Effect.gen(function* () {
    const ofSite = (path: string) =>
      site === null ? path : `${path}${path.includes("?") ? "&" : "?"}site=${encodeURIComponent(site)}`
    const findings: Array<Finding> = []
    let well = 0
    let closed = 0
    let slowest: TimedAnswer | null = null
    // Metrics have their own check.
    for (const { method, path } of contract.operations.filter((each) => each.path !== "/metrics")) {
      const request = harmless(method, path)
      if (request === null) continue
      const address = path.startsWith(API_PATH) ? ofSite(request.path) : request.path
      const timeoutMs = Math.max(deployment.timeoutMs, QUESTIONS.includes(path) ? QUESTION_MS : 0)
      const answer = yield* Effect.result(ask({ ...deployment, timeoutMs }, address, request.init))
      if (answer._tag === "Success" && isClosed(contract, answer.success)) {
        closed++
        continue
      }
      const problem = answer._tag === "Failure" ? answer.failure.message : judged(contract, answer.success)
      // Everything else works without an engine, and there is none for some platforms.
      const isEngine =
        answer._tag === "Success" && parsed(answer.success.body).code === "QUERY_ENGINE_UNAVAILABLE"
      if (problem !== null) findings.push((isEngine ? warning : failed)(`${method} ${path}`, problem))
      else well++
      if (answer._tag === "Success" && answer.success.milliseconds > (slowest?.milliseconds ?? 0))
        slowest = answer.success
    }
    const bad = yield* Effect.result(ask(deployment, `${API_PATH}/stats?period=never`))
    const refusal = bad._tag === "Failure" ? bad.failure.message : refusalProblem(contract, bad.success)
    if (bad._tag === "Success" && isClosed(contract, bad.success)) closed++
    else if (refusal === null) well++
    else findings.push(failed("a bad parameter", refusal))
    const without = closed === 0 ? "" : `, ${closed} need access (ADMIN_TOKEN)`
    const summary = `${well} answers are as documented${without}${slowest === null ? "" : `, the slowest was ${slowest.method} ${slowest.path}`}`
    return [ok("endpoints", summary, slowest?.milliseconds), ...findings]
  })

/** Whether an answer is the documented refusal of somebody without access. */
const isClosed = (contract: Contract, answer: TimedAnswer): boolean =>
  answer.status === 401 && contract.violations(answer).length === 0

/** Who may see the figures, and whether anybody has chosen that. */
export const access = (deployment: Deployment): Effect.Effect<Finding, NoAnswer> =>
  Effect.map(ask(deployment, `${API_PATH}/access`), ({ body }) => {
    const { access: who, chosen } = dataOf(body)
    if (who === "private") return ok("access", "figures are for those who have access")
    const isHere = LOOPBACK_HOST.test(new URL(deployment.url).hostname)
    return chosen === true || isHere
      ? ok("access", "everybody who reaches the deployment may see the figures")
      : warning(
          "access",
          "everybody who reaches the deployment may see the figures, and nobody has chosen that: set ACCESS to private, or to public",
        )
  })

const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** Whether the doctor may see figures. */
export const maySeeFigures = (deployment: Deployment): Effect.Effect<boolean, NoAnswer> =>
  Effect.map(ask(deployment, `${API_PATH}/access`), ({ body }) => {
    const { may } = dataOf(body)
    return !Array.isArray(may) || may.includes("figures")
  })

const refusalProblem = (contract: Contract, answer: TimedAnswer): string | null => {
  const [violation] = contract.violations(answer)
  if (answer.status !== 400) return `period=never is answered ${said(answer)}: it should be refused with 400`
  return violation === undefined ? null : `not as documented: ${violation}`
}

/** The declared sites, default first; empty if they cannot be read. */
export const sites = (deployment: Deployment): Effect.Effect<ReadonlyArray<string>, NoAnswer> =>
  Effect.map(ask(deployment, `${API_PATH}/sites`), ({ body }) => {
    const { sites: declared } = dataOf(body)
    return Array.isArray(declared) ? declared.filter((each) => typeof each === "string") : []
  })

/** Compares the deployment's clock with this machine's, because senders' timestamps depend on both. */
export const clock = (deployment: Deployment, now: () => number): Effect.Effect<Finding, NoAnswer> =>
  Effect.map(ask(deployment, `${API_PATH}/realtime`), ({ body }) => {
    const { timestamp } = dataOf(body)
    if (parsed(body).code === "UNAUTHORIZED") return skipped("clock", "figures need access (ADMIN_TOKEN)")
    if (typeof timestamp !== "number") return failed("clock", "realtime has no timestamp")
    const difference = Math.abs(now() / 1000 - timestamp)
    return difference <= MAX_CLOCK_DIFFERENCE_S
      ? ok("clock", "the deployment's and this machine's agree")
      : warning(
          "clock",
          `the deployment's and this machine's differ by ${Math.round(difference)} s: set both by NTP, since events more than ${MAX_AHEAD_TEXT} ahead are refused`,
        )
  })
