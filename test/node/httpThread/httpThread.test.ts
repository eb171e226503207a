import { randomUUID } from "node:crypto"
import { existsSync, writeFileSync } from "node:fs"
import { type IncomingHttpHeaders, request } from "node:http"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { CLOCK_ENV } from "../../support/clock.ts"
import { ROOT } from "../../support/documents.ts"
import {
  eventually,
  freshKeyPrefix,
  migratedDatabase,
  redisUrl,
  temporaryFolder,
} from "../../support/index.ts"
import { TOKEN } from "../../support/node.ts"
import { api, dataOf, type NodeProcess, send, startProcess } from "../../support/process.ts"
import { NODE } from "../../support/program.ts"

const KEY = "write-key-0123456789"
const LIMIT = 60
const DASHBOARDS = 12
const EVENT = '{"event_type":"page_view"}'
const JSON_TYPE = { "content-type": "application/json" }

/** Stores of this test's own, for the environment of its nodes. */
const stores = async (): Promise<Record<string, string>> => ({
  REDIS_URL: redisUrl(),
  REDIS_KEY_PREFIX: freshKeyPrefix().replace(":", ""),
  DATABASE_URL: await migratedDatabase(),
  ...CLOCK_ENV,
})

const node = (env: Record<string, string>): Promise<NodeProcess> =>
  startProcess(NODE, { cwd: ROOT, env: { HTTP_THREADS: "2", ...env } })

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface Ask {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** Asks over a connection of its own, so that threads take turns. */
const ask = (url: string, { method = "GET", headers = {}, body = "" }: Ask = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, agent: false }, (response) => {
      const parts: Array<Buffer> = []
      response.on("data", (part: Buffer) => parts.push(part))
      response.on("error", reject)
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(parts).toString("latin1"),
        }),
      )
    })
    asked.on("error", reject)
    asked.end(body)
  })

/** The same question over three connections, of which each thread has at least one; more than three downloads do not run at once. */
const askEach = (url: string, what: Ask = {}): Promise<ReadonlyArray<Answer>> =>
  Promise.all(Array.from({ length: 3 }, () => ask(url, what)))

/** A metric's value; 0 where it is not there. What another thread has counted may be told a second later. */
const metric = async (url: string, series: string): Promise<number> => {
  const { body } = await ask(`${url}/metrics`)
  const line = body.split("\n").find((each) => each.startsWith(`maicivy_${series} `))
  return Number(line?.split(" ")[1] ?? 0)
}

interface Dashboard {
  readonly socket: WebSocket
  readonly frames: Array<{ readonly type: string; readonly page_url?: string }>
  closed: number | null
}

/** Connects a dashboard; `null` if it is refused. */
const connect = (url: string): Promise<Dashboard | null> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws/analytics`)
    const dashboard: Dashboard = { socket, frames: [], closed: null }
    onTestFinished(() => socket.close())
    socket.onmessage = ({ data }) => dashboard.frames.push(JSON.parse(String(data)))
    socket.onopen = () => resolve(dashboard)
    socket.onerror = () => resolve(null)
    socket.onclose = ({ code }) => {
      dashboard.closed = code
    }
  })

const connectAll = async (url: string, count: number): Promise<ReadonlyArray<Dashboard>> =>
  (await Promise.all(Array.from({ length: count }, () => connect(url)))).filter((each) => each !== null)

const taken = (url: string): Promise<ReadonlyArray<number>> =>
  Promise.all(["main", "http-1"].map((thread) => metric(url, `http_requests_total{thread="${thread}"}`)))

test("threads are one node: its events, its limits, its answers, its dashboards, its metrics", async () => {
  const { url } = await node({
    ...(await stores()),
    WRITE_KEYS: KEY,
    ADMIN_TOKEN: TOKEN,
    RATE_LIMIT_PER_MINUTE: String(LIMIT),
    WS_MAX_CONNECTIONS_PER_IP: String(DASHBOARDS),
    LIVE_EVENTS_PER_SECOND: "1000",
  })
  const post = (headers: Record<string, string>, body = EVENT) =>
    ask(api(url, "event"), { method: "POST", headers: { ...JSON_TYPE, ...headers }, body })

  // A place for each of as many dashboards as an address may have, whichever threads they meet.
  const dashboards = await connectAll(url, DASHBOARDS + 5)
  // What ended one is shown if the number is another.
  const ended = () => JSON.stringify(dashboards.map(({ closed }) => closed))
  expect(dashboards, ended()).toHaveLength(DASHBOARDS)
  await eventually(async () => {
    expect(await metric(url, 'websocket_dropped_total{reason="connection_limit"}')).toBe(5)
    expect(await metric(url, "websocket_connections"), ended()).toBe(DASHBOARDS)
  })
  dashboards[0]?.socket.close()
  await eventually(async () => expect(await connectAll(url, 1)).toHaveLength(1))

  // As many events as an address may send, whichever threads they meet.
  const answers = await Promise.all(Array.from({ length: LIMIT + 20 }, () => post({})))
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(LIMIT)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(20)
  const more = await Promise.all(Array.from({ length: 40 }, () => post({ "x-write-key": KEY })))
  expect(more.filter(({ status }) => status === 201)).toHaveLength(40)
  await eventually(async () => {
    for (const count of await taken(url)) expect(count).toBeGreaterThan(LIMIT / 2)
  })

  // One scrape has what all threads have counted, whichever of them answers.
  await eventually(async () => {
    for (const { body } of await askEach(`${url}/metrics`)) {
      expect(body).toContain(`\nmaicivy_events_accepted_total ${LIMIT + 40}\n`)
      expect(body).toContain('\nmaicivy_events_rejected_total{reason="RATE_LIMITED"} 20\n')
      for (const thread of ["main", "http-1", "actors"])
        expect(body).toMatch(new RegExp(`\nmaicivy_thread_cpu_seconds_total\\{thread="${thread}"\\} \\d`))
    }
  })
  await eventually(async () => expect(await dataOf(url, "stats")).toMatchObject({ total_events: LIMIT + 40 }))

  // A question that dashboards of both threads follow is answered to each.
  const followers = dashboards.slice(1)
  const page = { metrics: ["events"], date_range: "24h", filters: [["is", "page", ["/a"]]] }
  const following = JSON.stringify({ type: "subscribe", topics: ["query"], queries: { page } })
  for (const { socket } of followers) socket.send(following)
  const answered = (events: number) =>
    eventually(() => {
      for (const { frames } of followers) {
        const last = frames.findLast(({ type }) => type === "query")
        expect(last).toMatchObject({ id: "page", answer: { results: [{ metrics: [events] }] } })
      }
    })
  await answered(0)

  // Every dashboard is shown an event that any thread has taken.
  for (const page of ["/a", "/b"]) {
    await post({ "x-write-key": KEY }, `{"event_type":"page_view","page_url":"${page}"}`)
    await eventually(() => {
      for (const { frames } of dashboards.slice(1))
        expect(frames).toContainEqual(expect.objectContaining({ type: "page_view", page_url: page }))
    })
  }
  await answered(1)
})

test("whichever thread takes a request, its answer is the same", async () => {
  const { url } = await node({ ...(await stores()), RATE_LIMIT_PER_MINUTE: "0", ADMIN_TOKEN: TOKEN })
  const visitor = randomUUID()
  const events = Array.from({ length: 500 }, (_, i) => ({
    event_type: "page_view",
    page_url: `/${i}`,
    visitor_id: visitor,
  }))
  for (const { status, body } of await askEach(api(url, "events"), {
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify(events),
  }))
    expect({ status, body }).toMatchObject({ status: 201, body: expect.stringContaining('"accepted":500') })
  await eventually(async () => expect(await dataOf(url, "stats")).toMatchObject({ total_events: 1500 }))

  const authorization = { authorization: `Bearer ${TOKEN}` }
  const questions: ReadonlyArray<readonly [path: string, what: Ask, status: number]> = [
    ["/health", {}, 200],
    ["/health", { method: "HEAD" }, 200],
    ["/api/v1/analytics/stats", { headers: { origin: "http://a.example" } }, 200],
    ["/api/v1/analytics/stats?period=year", {}, 400],
    ["/api/v1/analytics/timeline?limit=100", { headers: { "accept-encoding": "gzip" } }, 200],
    ["/api/v1/analytics/export/visitors", {}, 401],
    ["/api/v1/analytics/export/visitors", { headers: authorization }, 200],
    [`/api/v1/analytics/visitors/${visitor}`, { headers: authorization }, 200],
    ["/api/v1/analytics/event", { method: "OPTIONS", headers: { origin: "http://a.example" } }, 204],
    ["/api/v1/analytics/event?event_type=page_view", { headers: { "x-visitor-id": "no uuid" } }, 400],
    ["/api/v1/analytics/events", { method: "DELETE" }, 405],
    ["/api/v1/analytics/stats", { method: "POST", headers: JSON_TYPE, body: EVENT }, 405],
    ["/ws/analytics", {}, 426],
    ["/nothing", {}, 404],
    ["/", {}, 200],
    ["/tracker.js", {}, 200],
    ["/openapi.json", {}, 200],
  ]
  for (const [path, what, status] of questions) {
    const answers = await askEach(`${url}${path}`, what)
    const [first] = answers
    expect(first?.status, path).toBe(status)
    for (const answer of answers) {
      const { date: _, ...headers } = answer.headers
      const { date: __, ...firstHeaders } = first?.headers ?? {}
      expect({ ...answer, headers }, path).toEqual({ ...first, headers: firstHeaders })
    }
  }
  await eventually(async () => {
    for (const { status, body } of await askEach(`${url}/ready`)) {
      expect(status).toBe(200)
      expect(JSON.parse(body)).toMatchObject({ data: { ready: true, problems: [] } })
    }
  })
  // Rows that take many parts, no faster than they are read.
  for (const { body } of await askEach(api(url, `visitors/${visitor}`), { headers: authorization }))
    expect(JSON.parse(body).data).toHaveLength(1500)
})

test("a fault that nobody catches ends one thread, which is started again; the node goes on", async () => {
  const file = join(temporaryFolder(), "fault")
  const env = await stores()
  const preload = ` --import=${new URL("../../support/threadFault.mjs", import.meta.url).href}`
  const running = await node({
    ...env,
    NODE_OPTIONS: `${env.NODE_OPTIONS ?? ""}${preload}`,
    TEST_FAULT_FILE: file,
    RATE_LIMIT_PER_MINUTE: "0",
    WS_MAX_CONNECTIONS_PER_IP: String(DASHBOARDS),
  })
  const { url } = running
  // Where a thread is slow to start, the main one takes the first connections.
  await eventually(async () => expect((await taken(url))[1]).toBeGreaterThan(0))
  const dashboards = await connectAll(url, DASHBOARDS)
  expect(dashboards).toHaveLength(DASHBOARDS)
  writeFileSync(file, "")
  await eventually(() => expect(existsSync(file)).toBe(false))
  await eventually(async () => expect(await metric(url, "http_thread_restarts_total")).toBe(1))
  await eventually(() => expect(running.stderr()).toContain("a fault of the test's own"))

  // Its dashboards were told to go, and have left their places.
  const gone = () => dashboards.filter(({ closed }) => closed !== null)
  await eventually(async () => {
    expect(gone().length).toBeGreaterThan(0)
    expect(await metric(url, "websocket_connections")).toBe(DASHBOARDS - gone().length)
  })
  expect(new Set(gone().map(({ closed }) => closed))).toEqual(new Set([1001]))
  await eventually(async () => {
    const again = await connectAll(url, gone().length)
    // Those that were let in would take the places of the next try.
    if (again.length < gone().length) for (const { socket } of again) socket.close()
    expect(again).toHaveLength(gone().length)
  })
  const before = await taken(url)
  await eventually(async () => {
    const posts = await Promise.all(
      Array.from({ length: 10 }, () =>
        ask(api(url, "event"), { method: "POST", headers: JSON_TYPE, body: EVENT }),
      ),
    )
    expect(posts.filter(({ status }) => status === 201)).toHaveLength(10)
    expect((await taken(url))[1] ?? 0).toBeGreaterThan(before[1] ?? 0)
  })
  expect(await running.end("SIGTERM")).toBe(0)
})

test("a stop under load answers what it has taken on every thread, and loses nothing", async () => {
  const env = { ...(await stores()), RATE_LIMIT_PER_MINUTE: "0" }
  const [first, second] = await Promise.all([node(env), node(env)])
  let urls = [first.url, second.url]
  const dashboards = await connectAll(first.url, 4)
  const sent = send(() => urls, 1500, 32)
  await eventually(async () => {
    for (const count of await taken(first.url)) expect(count).toBeGreaterThan(100)
  })
  const stopped = first.end("SIGTERM")
  urls = [second.url]
  expect(await stopped).toBe(0)
  await eventually(() => expect(dashboards.map(({ closed }) => closed)).toEqual([1001, 1001, 1001, 1001]))
  const acknowledged = await sent
  await eventually(async () =>
    expect(await dataOf(second.url, "stats")).toMatchObject({ total_events: acknowledged.size }),
  )
})

test("every thread knows of keys and sites as they change: it opens dashboards and closes them, takes events and refuses them", async () => {
  const env = { ACCESS: "private", ADMIN_TOKEN: TOKEN, RATE_LIMIT_PER_MINUTE: "0" }
  const { url } = await node({ ...(await stores()), ...env })
  const admin = { authorization: `Bearer ${TOKEN}` }
  const change = async (method: string, path: string, body: string) =>
    expect((await ask(api(url, path), { method, body, headers: { ...admin, ...JSON_TYPE } })).status).toBe(
      200,
    )
  const areAnswered = (...status: ReadonlyArray<number>) =>
    eventually(async () => {
      const answers = await askEach(api(url, "event?site=shop"), { method: "POST", body: EVENT })
      expect(answers.map((each) => each.status)).toEqual(status)
    })
  await areAnswered(400, 400, 400)
  await change("POST", "sites", '{"slug":"shop"}')
  await areAnswered(201, 201, 201)
  await change("PATCH", "sites/shop", '{"archived":true}')
  await areAnswered(400, 400, 400)

  const made = await fetch(api(url, "keys"), {
    method: "POST",
    headers: { ...admin, ...JSON_TYPE },
    body: JSON.stringify({ name: "a board", scopes: ["read"] }),
  })
  const [, id = "", token = ""] = /"id":(\d+),"token":"([^"]+)"/.exec(await made.text()) ?? []
  const connect = (headers: { readonly [name: string]: string }) => {
    const board = { greeted: false, closed: 0 }
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws/analytics`, { headers })
    onTestFinished(() => socket.close())
    // A refusal is one, and closes it.
    socket.onerror = () => {}
    socket.onmessage = () => {
      board.greeted = true
    }
    socket.onclose = ({ code }) => {
      board.closed = code
    }
    return board
  }
  // A thread that has not heard of the key yet refuses it.
  const withKey = { authorization: `Bearer ${token}` }
  const boards = Array.from({ length: 6 }, () => connect(withKey))
  // Threads get connections in turn.
  const strangers = Array.from({ length: 6 }, () => connect({}))
  await eventually(() => {
    for (const [at, { closed }] of boards.entries()) if (closed !== 0) boards[at] = connect(withKey)
    expect(boards.every(({ greeted }) => greeted)).toBe(true)
  })
  await eventually(() => expect(strangers.map(({ closed }) => closed)).toEqual(strangers.map(() => 1006)))
  expect((await fetch(api(url, `keys/${id}`), { method: "DELETE", headers: admin })).status).toBe(200)
  await eventually(() => expect(boards.map(({ closed }) => closed)).toEqual(boards.map(() => 1008)))
})
