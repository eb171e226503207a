/** Real answers, of every operation with every status, against the document of the server that gave them. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import { digestOf } from "../../../src/access/tokens.ts"
import { MAX_GUESSES_PER_MINUTE } from "../../../src/domain/limits.ts"
import { SETTINGS_PATHS } from "../../../src/domain/paths.ts"
import { DAY_MS } from "../../../src/domain/time.ts"
import { PROBLEMS } from "../../../src/server/http/problemCodes.ts"
import { HeatmapTickets } from "../../../src/server/services/heatmapTickets.ts"
import type { Services } from "../../../src/server/services/services.ts"
import { now } from "../../support/clock.ts"
import { eventually } from "../../support/index.ts"
import { runNode, settings, TOKEN } from "../../support/node.ts"
import { RawConnection } from "../../support/rawClient.ts"
import {
  ADMIN_TOKEN,
  type Running,
  serve,
  silentRows,
  VISITOR,
  World,
  WRITE_KEY,
} from "../../support/server.ts"
import { headersOf, Recorder } from "./recorder.ts"

const API = "/api/v1/analytics"
const VISITORS = `${API}/visitors/`
const ADMIN = { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } }
const JSON_HEADERS = { "Content-Type": "application/json" }
const EVENT = { event_type: "page_view", visitor_id: VISITOR }

const posted = (body: unknown, headers: { readonly [name: string]: string } = {}): RequestInit => ({
  headers: { ...JSON_HEADERS, ...headers },
  body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
})

/** Nothing but the router itself could fail there, and that is the same code for all. */
const CANNOT_FAIL = new Set([
  ...[
    "/health",
    "/openapi.json",
    "/ws/analytics",
    "/",
    "/live",
    ...SETTINGS_PATHS,
    "/assets/dashboard.js",
    "/assets/world.txt",
    "/assets/dashboard.css",
  ],
  ...["/tracker.js", "/hello.js", "/login", "/assets/login.js", "/assets/login.css"],
  `${API}/sites`,
  `${API}/access`,
  `${API}/logout`,
])

/** A world in which everything that a request can ask throws. */
class Broken extends World {
  override readonly services: Services = brokenServices(new World().services)
}

const fault = Effect.die(new Error("a fault of the test's"))
const throws = (): never => {
  throw new Error("a fault of the test's")
}
async function* throwingRows(): AsyncGenerator<object> {
  yield* [throws()]
}

const brokenServices = (services: Services): Services => ({
  ...services,
  appender: { ...services.appender, append: throws },
  figures: {
    realtime: () => fault,
    stats: () => fault,
    themes: () => fault,
    letters: () => fault,
    lettersByType: () => fault,
  },
  queries: {
    ...services.queries,
    timeline: () => fault,
    heatmap: () => fault,
    history: () => fault,
    yesterday: () => fault,
    exportVisitors: throwingRows,
    exportVisitor: throwingRows,
  },
  questions: { ask: () => fault, prepare: Effect.void, earliest: fault },
  accounts: new Proxy(services.accounts, { get: () => () => fault }),
  goals: { of: () => fault, add: () => fault, change: () => fault, remove: () => fault },
  sites: { add: () => fault, change: () => fault, erase: () => fault },
  attempts: { count: () => fault, succeeded: () => fault },
  privacy: { erase: () => fault },
  readiness: fault,
  metricsText: () => fault,
})

/** A site that takes events of its hosts only. */
const OWN = {
  ...{
    slug: "own",
    name: null,
    hosts: ["own.example"],
    otherHosts: "refuse" as const,
    archived: false,
    added: true,
  },
  ...{ timeZone: null, retentionDays: null, excludedPaths: [], excludedAddresses: [] },
}
const ARCHIVED = { ...OWN, slug: "old", hosts: [], otherHosts: "count" as const, archived: true }

const QUESTION = { metrics: ["events"], date_range: "all" }
const VALUES = { dimension: "page", date_range: "all" }
const FUNNEL = {
  steps: [
    ["is", "page", ["/"]],
    ["is", "page", ["/cv"]],
  ],
  date_range: "all",
}
/** Figures that are answers to questions where a time is named. */
const RANGED = ["stats", "themes", "letters", "heatmap", "history"]
const QUESTION_PATHS = ["query", "query/values", "query/funnel"].map((path) => `${API}/${path}`)
/** What a page's own script shows its heatmap by. */
const TICKETS = [`${API}/heatmap/tickets`, `${API}/heatmap/page`]
const OF_PAGE = { page_url: "https://cv.example/cv", date_range: "all" }
/** One that every server of these tests takes. */
const TICKET = new HeatmapTickets({ current: () => new World().dayKey }, now).make({
  ...{ page_url: OF_PAGE.page_url, by: { id: null, name: null } },
  query: { sites: ["main"], ...{ metrics: ["events"], date_range: "all" } },
})?.ticket

/** What is sent about access, goals and sites, by path. */
const ABOUT_ACCESS: { readonly [name: string]: object } = {
  login: { name: "somebody", password: "a password" },
  logout: {},
  password: { password: "a password", new_password: "another password" },
  setup: { token: "maf_token", name: "somebody", password: "a password" },
  share: { token: "mav_token", password: "a password" },
  users: { name: "somebody", password: "a password", role: "viewer" },
  keys: { name: "a key", scopes: ["read"] },
  shares: { name: "a link", site: "main" },
  goals: { name: "Letter", filters: [["is", "event", ["letter_generate"]]] },
  sites: { slug: "shop" },
}

/** Every request with a body about these. */
const ABOUT: ReadonlyArray<readonly [method: string, name: string, body: object]> = [
  ...Object.entries(ABOUT_ACCESS).map(([name, body]) => ["POST", name, body] as const),
  ["PATCH", "sites/1", { name: "Shop" }],
  ["PATCH", "users/1", { role: "owner" }],
  ["PATCH", "goals/1", { name: "Letter" }],
]

const bodyFor = (path: string): unknown => {
  const aboutAccess = ABOUT_ACCESS[path.slice(API.length + 1)]
  if (aboutAccess !== undefined) return aboutAccess
  if (path.endsWith("/query")) return QUESTION
  if (path.endsWith("/values")) return VALUES
  if (path.endsWith("/tickets")) return OF_PAGE
  if (path.endsWith("/page")) return { ticket: TICKET }
  if (path.endsWith("/funnel")) return FUNNEL
  return path.endsWith("/events") ? [EVENT] : EVENT
}

/** Questions that get no answer. */
const refuseQuestions = async ({ url, world, server }: Running, recorder: Recorder): Promise<void> => {
  for (const failure of ["busy", "deadline", "invalid", "failed"] as const) {
    world.queryFailure = failure
    await recorder.ask(url, "GET", `${API}/query?metrics=events`)
    await recorder.ask(url, "POST", `${API}/query`, posted(QUESTION))
    for (const path of RANGED) await recorder.ask(url, "GET", `${API}/${path}?date_range=7d`)
    await recorder.ask(url, "GET", `${API}/realtime?site=main,blog`)
    await recorder.ask(url, "POST", `${API}/query/values`, posted(VALUES))
    await recorder.ask(url, "POST", `${API}/query/funnel`, posted(FUNNEL))
    await recorder.ask(url, "POST", `${API}/heatmap/page`, posted({ ticket: TICKET }))
    for (const format of ["csv", "json"])
      await recorder.ask(url, "GET", `${API}/query.${format}?metrics=events`)
  }
  world.queryFailure = null
  for (const path of [...QUESTION_PATHS, ...TICKETS]) {
    await recorder.ask(url, "POST", path, posted(new Uint8Array([0x22, 0xff, 0x22])))
    const slow = rawRequest("POST", path, ["Content-Length: 9"], "{")
    await recorder.raw(server.port, "POST", path, slow)
  }
}

/** What is said where a store or the query engine has not answered in time. */
const NO_TIME =
  /"code":"(QUERY_TIMEOUT|TOO_MANY_QUERIES|QUERY_ENGINE_UNAVAILABLE|NOT_READY|STORE_UNAVAILABLE)"/

const NEEDS_ADMIN = /\/(users|keys|shares|audit|goals|visitors|sites)\b/

/** An address of each operation, with what a request needs to be let in. */
const addresses = (recorder: Recorder) =>
  recorder.contract.operations.map(({ method, path }) => ({
    method,
    path: `${path.replace("{id}", path.startsWith(VISITORS) ? VISITOR : "1")}${method === "GET" && /\/query(\.\w+)?$/.test(path) ? "?metrics=events&date_range=all" : ""}`,
    init:
      method === "POST" || method === "PATCH"
        ? posted(bodyFor(path), NEEDS_ADMIN.test(path) ? ADMIN.headers : {})
        : NEEDS_ADMIN.test(path)
          ? ADMIN
          : {},
  }))

const rawRequest = (method: string, path: string, lines: ReadonlyArray<string>, body = ""): string =>
  `${method} ${path} HTTP/1.1\r\n${["Host: x", ...lines].join("\r\n")}\r\n\r\n${body}`

/** What a real node answers when all is well, and when the client is to blame. */
const ofARealNode = async (): Promise<Recorder> => {
  const { base } = await runNode(await settings())
  const recorder = await Recorder.of(base)
  const ask = (method: string, path: string, init?: RequestInit) => recorder.ask(base, method, path, init)
  /** Asks what a busy machine may have no time for. */
  const askInTime = (method: string, path: string, init?: RequestInit) =>
    eventually(async () => expect(await ask(method, path, init)).not.toMatch(NO_TIME))
  const visitor = randomUUID()
  const happenings = [
    { event_type: "page_view", page_url: "/cv", referrer: "https://a.example/" },
    { event_type: "cv_theme_change", event_data: { theme: "dark" } },
    { event_type: "letter_generate", event_data: { letter_type: "motivation" } },
    { event_type: "button_click", event_data: { x: 10.5, y: 20 } },
    { event_type: "form_submit", timestamp: now() - DAY_MS },
  ]
  for (const each of happenings)
    await ask("POST", `${API}/event`, posted({ ...each, visitor_id: visitor, id: randomUUID() }))
  await ask(
    "POST",
    `${API}/events`,
    posted([{ ...EVENT }, { event_type: "No!" }, null, { ...EVENT, site: "x" }]),
  )
  const lines = `${JSON.stringify(EVENT)}\n{\n`
  await ask("POST", `${API}/events`, posted(lines, { "Content-Type": "application/x-ndjson" }))
  await eventually(async () => expect(JSON.parse(await ask("GET", `${API}/timeline`)).data).toHaveLength(7))
  const visitors = { headers: { Authorization: `Bearer ${TOKEN}` } }
  const figures = recorder.contract.operations.filter(
    ({ method, path }) =>
      method === "GET" &&
      path.startsWith(API) &&
      !path.includes("{") &&
      (path === `${API}/sites` || !NEEDS_ADMIN.test(path)),
  )
  for (const { path } of figures) {
    await ask("GET", path, visitors)
    await ask("HEAD", path, visitors)
    await ask("GET", `${path}?site=blog`, visitors)
    await ask("GET", `${path}?site=unknown`, visitors)
    await askInTime("GET", `${path}?site=main,blog`, visitors)
  }
  for (const period of ["day", "week", "month"])
    for (const path of ["stats", "themes", "letters", "export/visitors", "export/themes", "export/letters"])
      for (const format of ["csv", "json"])
        await ask("GET", `${API}/${path}?period=${period}&format=${format}`, visitors)
  await ask("GET", `${API}/timeline?limit=2`)
  for (const question of [
    { metrics: ["events"] },
    { metrics: ["visitors", "events"], compare: "previous_period" },
    { metrics: ["visitors"], dimensions: ["page"], interval: "day" },
    { metrics: ["visitors"], filters: [["matches", "page", ["("]]] },
    { metrics: ["nothing"] },
    null,
  ])
    await askInTime("POST", `${API}/query`, posted(question))
  for (const path of ["query", "query.csv", "query.json"])
    await askInTime("GET", `${API}/${path}?metrics=visitors,events&dimensions=page&date_range=day`)
  for (const bom of ["true", "yes"]) {
    await askInTime("GET", `${API}/query.csv?metrics=events&bom=${bom}`)
    await ask("GET", `${API}/export/themes?bom=${bom}`)
  }
  await askInTime("POST", `${API}/query/values`, posted({ ...VALUES, search: "c" }))
  await askInTime("POST", `${API}/query/funnel`, posted({ ...FUNNEL, within: "7 days" }))
  const withToken = { Authorization: `Bearer ${TOKEN}` }
  await ask("POST", `${API}/goals`, posted(ABOUT_ACCESS.goals, withToken))
  await ask("GET", `${API}/goals`)
  await ask("POST", `${API}/sites`, posted(ABOUT_ACCESS.sites, withToken))
  await ask("PATCH", `${API}/sites/shop`, posted({ name: "Shop", hosts: ["shop.example"] }, withToken))
  await ask("GET", `${API}/sites`)
  for (const goal of ["Letter", "Sold"])
    await askInTime(
      "POST",
      `${API}/query`,
      posted({ metrics: ["visitors"], filters: [["is", "goal", [goal]]] }),
    )
  await ask("PATCH", `${API}/goals/1`, posted({ name: "Wrote" }, withToken))
  await ask("DELETE", `${API}/goals/1`, { headers: withToken })
  await ask("POST", `${API}/users`, posted(ABOUT_ACCESS.users, withToken))
  const login = await fetch(`${base}${API}/login`, { ...posted(ABOUT_ACCESS.login), method: "POST" })
  const session = { Cookie: (login.headers.get("set-cookie") ?? "").split(";")[0] ?? "", Origin: base }
  await ask(
    "POST",
    `${API}/password`,
    posted({ password: "wrong", new_password: "another password" }, session),
  )
  await ask("POST", `${API}/password`, posted(ABOUT_ACCESS.password, session))
  const made = JSON.parse(await ask("POST", `${API}/heatmap/tickets`, posted(OF_PAGE)))
  await askInTime("POST", `${API}/heatmap/page`, posted(made.data))
  await ask("POST", `${API}/heatmap/page`, posted({ ticket: "mah_none" }))
  for (const path of [...QUESTION_PATHS, ...TICKETS]) {
    await ask("POST", path, posted({}))
    await ask("POST", path, posted("{"))
    await ask("POST", path, posted("x".repeat(300_000)))
    await ask("POST", path, posted("{}", { "Content-Type": "text/html" }))
  }
  for (const path of RANGED) {
    await askInTime(
      "GET",
      `${API}/${path}?date_range=7d&time_zone=Asia/Tokyo&filters=[["is","page",["/cv"]]]`,
    )
    await askInTime("GET", `${API}/${path}?time_zone=Asia/Tokyo`)
    await ask("GET", `${API}/${path}?date_range=never`)
  }
  await ask("GET", `${API}/heatmap?page_url=/cv&hours=168`)
  for (const query of ["limit=0", "limit=x", "offset=-1", "cursor=!"])
    await ask("GET", `${API}/timeline?${query}`)
  await askInTime("GET", "/ready")
  for (const path of [
    "/health",
    "/metrics",
    "/openapi.json",
    "/",
    "/tracker.js",
    "/login",
    "/assets/login.js",
    "/assets/login.css",
    "/hello.js",
    "/hello",
  ])
    await ask("GET", path)
  await ask("POST", "/hello", posted([EVENT]))
  for (const path of ["/live", ...SETTINGS_PATHS]) await ask("GET", path)
  await ask("GET", "/assets/dashboard.js")
  await ask("GET", "/assets/world.txt")
  await ask("GET", "/assets/dashboard.css")
  await ask("GET", "/ws/analytics")
  await recorder.upgrade(base, "/ws/analytics")
  await recorder.upgrade(base, "/ws/analytics?site=unknown")
  const admin = { headers: { Authorization: `Bearer ${TOKEN}` } }
  for (const method of ["GET", "DELETE"]) {
    await askInTime(method, `${VISITORS}${visitor}`, admin)
    await ask(method, `${VISITORS}nobody`, admin)
    await ask(method, `${VISITORS}${visitor}?summary=${method === "GET" ? "true" : "no"}`, admin)
    await ask(method, `${VISITORS}${visitor}`)
  }
  return recorder
}

/** Refusals of events, and of requests that the server's own settings turn away. */
const refuseEvents = async (running: Running, recorder: Recorder): Promise<void> => {
  const { url, world, server } = running
  const ask = (path: string, init: RequestInit) => recorder.ask(url, "POST", `${API}/${path}`, init)
  const deep = JSON.parse(`${'{"a":'.repeat(40)}1${"}".repeat(40)}`)
  const events: ReadonlyArray<unknown> = [
    "{",
    new Uint8Array([0x22, 0xff, 0x22]),
    [],
    { event_type: "No!" },
    { ...EVENT, event_data: deep },
    { ...EVENT, event_data: { text: "x".repeat(9000) } },
    { ...EVENT, page_url: 1 },
    { ...EVENT, referrer: 1 },
    { ...EVENT, id: "1" },
    { ...EVENT, timestamp: "now" },
    { ...EVENT, timestamp: 0 },
    { ...EVENT, visitor_id: "me" },
    { event_type: "page_view" },
    { ...EVENT, site: 1 },
    { ...EVENT, site: "unknown" },
    { ...EVENT, site: ARCHIVED.slug },
    { ...EVENT, site: OWN.slug },
  ]
  for (const event of events) await ask("event", posted(event))
  const inQuery = (query: string, headers = {}) =>
    recorder.ask(url, "GET", `${API}/event${query}`, { headers })
  await inQuery("")
  await inQuery(`?visitor_id=${VISITOR}`, { Accept: "image/*" })
  await inQuery("", { "X-Write-Key": "wrong-0123456789" })
  for (const query of [
    ...["?event_type=No!", "?event_data=1", `?event_data={"text":"${"x".repeat(9000)}"}`, "?page_url=%ff"],
    ...["?id=1", "?timestamp=now", "?timestamp=0", "?visitor_id=me", "?site=unknown", "?site=old"],
    `?visitor_id=${VISITOR}&site=own`,
  ])
    await inQuery(query)
  for (const failure of ["BACKLOG_FULL", "STREAM_UNAVAILABLE"] as const) {
    world.failure = failure
    await inQuery(`?visitor_id=${VISITOR}`)
  }
  world.failure = null
  await ask("events", posted(events.filter((event) => !(event instanceof Uint8Array)).slice(2)))
  await ask("events", posted("{"))
  await ask("events", posted('"'))
  for (const path of ["event", "events"]) {
    await ask(path, posted("%", { "Content-Type": "text/html" }))
    await ask(path, posted("x".repeat(1_048_577)))
    await ask(path, posted([EVENT], { "X-Write-Key": "wrong-0123456789" }))
    await ask(`${path}?site=%ff`, posted([EVENT]))
    for (const failure of ["BACKLOG_FULL", "STREAM_UNAVAILABLE"] as const) {
      world.failure = failure
      await ask(path, posted(path === "events" ? [EVENT] : EVENT))
    }
    world.failure = null
    const slow = rawRequest(
      "POST",
      `${API}/${path}`,
      ["Content-Type: application/json", "Content-Length: 9"],
      "{",
    )
    await recorder.raw(server.port, "POST", `${API}/${path}`, slow)
  }
  await ask("events", posted(Array.from({ length: 1001 }, () => EVENT)))
}

const limited = async (recorder: Recorder): Promise<void> => {
  await using running = await serve({ rateLimitPerMinute: 2, writeKeys: [WRITE_KEY] })
  for (const path of ["event", "events", "events", "event"])
    await recorder.ask(
      running.url,
      "POST",
      `${API}/${path}`,
      posted(path === "event" ? EVENT : [EVENT, EVENT]),
    )
  await recorder.ask(running.url, "POST", `${API}/event`, posted(EVENT, { "X-Write-Key": WRITE_KEY }))
  await recorder.ask(running.url, "GET", `${API}/event`, {})
}

/** What has no room: bodies that do not come at once, and a download too many. */
const busy = async (recorder: Recorder): Promise<void> => {
  await using running = await serve({ adminToken: ADMIN_TOKEN }, { maxWaitingBytes: 0 })
  const { port } = running.server
  const authorized = [`Authorization: Bearer ${ADMIN_TOKEN}`, "Content-Length: 9"]
  for (const path of [`${API}/event`, `${API}/events`, ...QUESTION_PATHS, ...TICKETS])
    await recorder.raw(port, "POST", path, rawRequest("POST", path, ["Content-Length: 9"], "{"))
  for (const [method, name] of ABOUT)
    await recorder.raw(port, method, `${API}/${name}`, rawRequest(method, `${API}/${name}`, authorized, "{"))
  const { started } = silentRows(running.world)
  const downloads = Array.from({ length: 3 }, () => new RawConnection(port))
  for (const download of downloads)
    download.write(rawRequest("GET", `${API}/export/visitors`, [`Authorization: Bearer ${ADMIN_TOKEN}`]))
  await eventually(() => expect(started()).toBe(3))
  await recorder.ask(running.url, "GET", `${API}/export/visitors`, ADMIN)
  for (const format of ["csv", "json"])
    await recorder.ask(running.url, "GET", `${API}/query.${format}?metrics=events`)
  await recorder.ask(running.url, "GET", `${VISITORS}${VISITOR}`, ADMIN)
  for (const download of downloads) download[Symbol.dispose]()
}

/** Somebody who is logged in changes their password. */
const changePassword = async ({ url, server }: Running, recorder: Recorder): Promise<void> => {
  const token = "mas_token"
  const session = { id: 1, kind: "session", digest: digestOf(token), name: "somebody", sites: null } as const
  const rest = { scopes: ["read"], expiresAt: null, unlockKey: null, embedOn: [] } as const
  server.learn({ version: 1, tokens: [{ ...session, ...rest }], users: [] })
  const headers = { Cookie: `maicivy_login=${token}`, Origin: url }
  await recorder.ask(url, "POST", `${API}/password`, posted(ABOUT_ACCESS.password, headers))
}

/** Everything about access: taken, refused, and contradicted. */
const manageAccess = async (recorder: Recorder): Promise<void> => {
  await using running = await serve({ adminToken: ADMIN_TOKEN }, { bodyLimits: { silenceMs: 50 } })
  const { url, world, server } = running
  const all = addresses(recorder).filter(({ path }) => /\/(users|keys|shares|audit|goals|sites)\b/.test(path))
  const send = (name: string, body: unknown, headers = {}, method = "POST") =>
    recorder.ask(url, method, `${API}/${name}`, posted(body, { ...ADMIN.headers, ...headers }))
  for (const { method, path, init } of all) await recorder.ask(url, method, path, init)
  await recorder.ask(url, "GET", `${API}/audit?limit=0`, ADMIN)
  await recorder.ask(url, "GET", `${API}/goals?site=unknown`)
  for (const [method, name, body] of ABOUT) {
    await send(name, body, {}, method)
    await send(name, body, { Origin: "https://other.example" }, method)
    for (const wrong of ["{", [], { name: 1, everywhere: 1 }, "x".repeat(20_000)])
      await send(name, wrong, {}, method)
    await send(name, "{}", { "Content-Type": "text/html" }, method)
    const lines = [`Authorization: Bearer ${ADMIN_TOKEN}`, "Content-Length: 9"]
    await recorder.raw(
      server.port,
      method,
      `${API}/${name}`,
      rawRequest(method, `${API}/${name}`, lines, "{"),
    )
  }
  const ofOne = all.filter(({ method }) => method === "DELETE" || method === "PATCH")
  world.accountRefusal = "missing"
  for (const { method, path, init } of ofOne) await recorder.ask(url, method, path, init)
  world.accountRefusal = "last_owner"
  await recorder.ask(url, "DELETE", `${API}/users/1`, ADMIN)
  world.accountRefusal = "taken"
  for (const name of ["users", "keys", "shares", "goals", "sites"]) await send(name, ABOUT_ACCESS[name])
  for (const name of ["users/1", "goals/1"]) await send(name, { name: "Other" }, {}, "PATCH")
  await send("sites/1", { archived: true }, {}, "PATCH")
  const tried = ["login", "setup", "share"]
  world.accountRefusal = "wrong"
  for (const name of tried) await send(name, ABOUT_ACCESS[name])
  world.attemptsWait = 7
  for (const name of tried) await send(name, ABOUT_ACCESS[name])
  await changePassword(running, recorder)
}

/** Refusals of whoever has no access, too little of it, or guesses. */
const withoutAccess = async (recorder: Recorder): Promise<void> => {
  const tokens = { adminToken: ADMIN_TOKEN, metricsToken: "metrics-token-0123456789", writeKeys: [WRITE_KEY] }
  // However long all of them take, they are of the minute in which an address may not guess again.
  const at = now()
  await using running = await serve({ ...tokens, access: "private" }, { now: () => at })
  const askAll = async (token: string | null) => {
    const headers = token === null ? {} : { Authorization: `Bearer ${token}` }
    for (const { method, path, init } of addresses(recorder)) {
      if (path.includes("/event") || path === "/hello") continue
      await recorder.ask(running.url, method, path, { ...init, headers: { ...JSON_HEADERS, ...headers } })
      if (path === "/ws/analytics") await recorder.upgrade(running.url, path, headers)
    }
  }
  await askAll(null)
  await askAll(WRITE_KEY)
  const wrong = { headers: { Authorization: "Bearer wrong" } }
  for (let i = 0; i < MAX_GUESSES_PER_MINUTE; i++)
    await recorder.ask(running.url, "GET", `${VISITORS}${VISITOR}`, wrong)
  await askAll(ADMIN_TOKEN)
}

const upgrades = async (recorder: Recorder): Promise<void> => {
  const full = async (config: Parameters<typeof serve>[0]) => {
    await using running = await serve(config)
    const socket = new WebSocket(`${running.url.replace("http", "ws")}/ws/analytics`)
    await new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }))
    await recorder.upgrade(running.url, "/ws/analytics")
    await recorder.upgrade(running.url, "/ws/analytics", { Origin: "https://other.example" })
    socket.close()
  }
  await full({ wsMaxConnections: 1, corsOrigins: ["https://own.example"] })
  await full({ wsMaxConnectionsPerIp: 1 })
}

const failures = async (recorder: Recorder): Promise<void> => {
  await using broken = await serve({ adminToken: ADMIN_TOKEN }, {}, new Broken())
  for (const { method, path, init } of addresses(recorder))
    if (!CANNOT_FAIL.has(path)) await recorder.ask(broken.url, method, path, init)
  await changePassword(broken, recorder)
  await using unavailable = await serve({ adminToken: ADMIN_TOKEN })
  unavailable.world.storesUnavailable = true
  unavailable.world.ready = false
  for (const { method, path, init } of addresses(recorder))
    await recorder.ask(unavailable.url, method, path, init)
}

/** A method that no path has, a request that is ambiguous, and requests on connections that outlive the port. */
const refusedAnywhere = async (recorder: Recorder): Promise<void> => {
  const running = await serve({ adminToken: ADMIN_TOKEN })
  const { port } = running.server
  const ambiguous = ["Content-Length: 1", "Content-Length: 2"]
  for (const { method, path } of addresses(recorder)) {
    await recorder.ask(running.url, "PUT", path)
    await recorder.raw(port, method, path, rawRequest(method, path, ambiguous, "{"))
  }
  running.world.held = []
  using waiting = new RawConnection(port)
  const event = JSON.stringify(EVENT)
  waiting.write(rawRequest("POST", `${API}/event`, [`Content-Length: ${event.length}`], event))
  await eventually(() => expect(running.world.held).toHaveLength(1))
  const open = await Promise.all(
    addresses(recorder).map(async ({ method, path }) => {
      const connection = new RawConnection(port)
      connection.write(rawRequest("GET", "/health", []))
      await connection.answer()
      return { method, path, connection }
    }),
  )
  const stopped = running.stop()
  for (const { method, path, connection } of open) {
    const upgrade = path === "/ws/analytics" ? ["Connection: Upgrade", "Upgrade: websocket"] : []
    connection.write(rawRequest(method, path, [...upgrade, "Content-Length: 0"]))
  }
  // All at once: the stop waits for a while only.
  const answers = await Promise.all(open.map(({ connection }) => connection.answer()))
  running.world.release()
  await stopped
  for (const [i, { method, path, connection }] of open.entries()) {
    const { status = 0, head = "", body = "" } = answers[i] ?? {}
    recorder.record(method, path, status, headersOf(head), body)
    connection[Symbol.dispose]()
  }
}

describe("every answer", () => {
  test("is as its server's OpenAPI document says, whatever the operation and the status", async () => {
    const recorder = await ofARealNode()
    {
      await using running = await serve(
        { requireVisitor: true, writeKeys: [WRITE_KEY] },
        { bodyLimits: { silenceMs: 50 }, siteRows: [ARCHIVED, OWN] },
      )
      await refuseEvents(running, recorder)
      await refuseQuestions(running, recorder)
    }
    await limited(recorder)
    await busy(recorder)
    await manageAccess(recorder)
    await withoutAccess(recorder)
    await upgrades(recorder)
    await failures(recorder)
    await refusedAnywhere(recorder)
    expect(recorder.violations).toEqual([])

    // The chosen path takes what `/events` does, by the same handler.
    const operations = recorder.contract.operations.filter(({ path }) => path !== "/hello")
    const documented = operations.flatMap(({ method, path, statuses }) =>
      statuses
        .filter((status) => !(status === "500" && CANNOT_FAIL.has(path)))
        .map((status) => `${method} ${path} ${status}`),
    )
    expect(documented.filter((each) => !recorder.seen.has(each))).toEqual([])
    // An unknown path is none of the document's.
    const codes = Object.keys(PROBLEMS).filter((code) => code !== "NOT_FOUND")
    expect(codes.filter((code) => !recorder.codes.has(code))).toEqual([])
  })

  test("that is not as documented is found", async () => {
    await using running = await serve()
    const recorder = await Recorder.of(running.url)
    const headers = new Headers({ "content-type": "application/json" })
    const path = `${API}/realtime`
    recorder.record("GET", path, 200, headers, '{"success":true,"data":{"current_visitors":-1}}')
    recorder.record("GET", path, 201, headers, "{}")
    recorder.record("GET", path, 503, headers, '{"success":false,"error":"x","code":"STORE_UNAVAILABLE"}')
    recorder.record("GET", path, 200, new Headers({ "content-type": "text/html" }), "")
    recorder.record("GET", "/nowhere", 200, headers, "{}")
    expect(recorder.violations).toHaveLength(5)
  })
})

describe("every frame of the WebSocket", () => {
  test("is as the OpenAPI document says", async () => {
    const { base } = await runNode(await settings({ liveEventsPerSecond: 2 }))
    const { contract } = await Recorder.of(base)
    const types = new Set<string>()
    const violations: Array<string> = []
    const socket = new WebSocket(`${base.replace("http", "ws")}/ws/analytics?share=${TOKEN}`)
    socket.onmessage = ({ data }) => {
      const frame: { readonly type: string; readonly omitted?: unknown } = JSON.parse(String(data))
      types.add(frame.type)
      if (frame.omitted !== undefined) types.add("omitted")
      violations.push(...contract.frameViolations(frame).map((each) => `${each}: ${data}`))
    }
    await eventually(() => expect(types).toContain("initial_stats"))
    socket.send(JSON.stringify({ type: "subscribe", topics: ["themes", "letters", "week", "refusals"] }))
    const question = { metrics: ["visitors"], dimensions: ["page"], compare: "previous_period" }
    socket.send(JSON.stringify({ type: "subscribe", topics: ["query"], queries: { pages: question } }))
    socket.send(JSON.stringify({ type: "ping" }))
    socket.send("nonsense")
    const events = Array.from({ length: 20 }, (_, i) => ({ event_type: "page_view", page_url: `/${i}` }))
    await fetch(`${base}${API}/events`, { method: "POST", body: JSON.stringify(events) })
    const expected = [
      "subscribed",
      "pong",
      "error",
      "themes",
      "letters",
      "period",
      "query",
      "refusals",
      "stats_update",
      "page_view",
      "omitted",
    ]
    await eventually(() => expect([...types]).toEqual(expect.arrayContaining([...expected, "heartbeat"])))
    socket.close()
    expect(violations).toEqual([])
    expect(contract.frameViolations({ type: "pong", time: "now" })).not.toEqual([])
  })
})
