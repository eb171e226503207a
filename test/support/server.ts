/** A real server on a free port over services that live in memory, for the semantics of HTTP and WebSocket. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { AccountRefused } from "../../src/access/accounts.ts"
import { BEYOND_ERASURE, type Realtime, type SiteReceipt } from "../../src/domain/answers.ts"
import type { StreamEvent } from "../../src/domain/event.ts"
import type { Refusal } from "../../src/domain/frames.ts"
import { decodePayload } from "../../src/domain/payload.ts"
import { GoalRefused } from "../../src/goals/goals.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { ErasureMustWait } from "../../src/privacy/erase.ts"
import { type EngineAnswer, QueryRefused, type Question } from "../../src/query/engine/index.ts"
import { type Server, type ServerConfig, type ServerOptions, startServer } from "../../src/server/server.ts"
import type {
  AccountsService,
  AppendFailure,
  GoalsService,
  Services,
  SitesService,
} from "../../src/server/services/services.ts"
import { SiteRefused } from "../../src/sites/index.ts"
import { StoreError } from "../../src/stores/errors.ts"
import { now } from "./clock.ts"
import { openScope } from "./effects.ts"

export const API = "/api/v1/analytics"
export const VISITOR = "3f0d9a52-7a3c-4c58-9b1e-0a4e6d1f2b3c"
export const WRITE_KEY = "write-key-0123456789"
export const ADMIN_TOKEN = "admin-token-0123456789"

export const DEFAULTS: ServerConfig = {
  port: 0,
  host: "127.0.0.1",
  basePath: "",
  scriptPath: "/hello.js",
  eventPath: "/hello",
  sites: ["main", "blog"],
  timeZone: "UTC",
  retentionDays: 90,
  partitions: 4,
  rateLimitPerMinute: 0,
  writeKeys: [],
  adminToken: null,
  access: null,
  metricsToken: null,
  authProxyHeader: null,
  authProxyRole: "viewer",
  trustedProxies: [],
  clientAddressHeader: "x-forwarded-for",
  proxyProtocol: false,
  corsOrigins: "*",
  requireVisitor: false,
  respectDnt: false,
  bots: "mark",
  pageQuery: [],
  geoDatabase: null,
  wsMaxConnections: 10_000,
  wsMaxConnectionsPerIp: 50,
  liveEventsPerSecond: 50,
  roles: ["http", "actors"],
}

const unavailable = (store: "redis" | "postgres") =>
  new StoreError({ store, operation: "read", unavailable: true, code: "CONNECTION", message: "unavailable" })

/** Accounts that hold nothing and take everything. */
const fakeAccounts = (
  read: <A>(value: () => A) => Effect.Effect<A, StoreError>,
  refusal: () => AccountRefused["reason"] | null,
): Omit<AccountsService, "used"> => {
  const change = <A>(value: A) =>
    Effect.flatMap(
      read(() => refusal()),
      (reason): Effect.Effect<A, AccountRefused> =>
        reason === null ? Effect.succeed(value) : Effect.fail(new AccountRefused({ reason })),
    )
  const at = "2025-12-08T10:00:00.000Z"
  const listed = { id: 1, name: "one", created_at: at, sites: null }
  return {
    note: () => Effect.void,
    setupToken: () => change("maf_token"),
    setUp: () => change(undefined),
    logIn: () => change("mas_token"),
    logOut: () => change(undefined),
    users: () => read(() => [{ ...listed, role: "owner" as const }]),
    addUser: () => change(1),
    setPassword: () => change(undefined),
    changePassword: () => change("mas_token"),
    changeUser: () => change(undefined),
    removeUser: () => change(undefined),
    tokens: () =>
      read(() => [
        {
          ...listed,
          scopes: ["read"],
          has_password: false,
          embed_on: [],
          token: null,
          ...{ last_used_at: null, expires_at: null },
        },
      ]),
    addToken: () => change({ id: 1, token: "mak_token" }),
    revoke: () => change(undefined),
    openShare: () => change({ id: 1, passwordHash: "scrypt" }),
    audit: () => read(() => [{ at, who: "one", action: "logged in", what: "" }]),
  }
}

/** Goals of which there is one. */
const fakeGoals = (
  read: <A>(value: () => A) => Effect.Effect<A, StoreError>,
  refusal: () => AccountRefused["reason"] | null,
): GoalsService => {
  const change = <A>(value: A) =>
    Effect.flatMap(
      read(() => refusal()),
      (reason): Effect.Effect<A, GoalRefused> =>
        reason === "taken" || reason === "missing" || reason === "too_many"
          ? Effect.fail(new GoalRefused({ reason }))
          : Effect.succeed(value),
    )
  const goal = { id: 1, site: "main", name: "Letter", filters: [["is", "event", ["letter_generate"]]] }
  return {
    of: (sites) =>
      read(() => (sites.includes("main") ? [{ ...goal, created_at: "2025-12-08T10:00:00.000Z" }] : [])),
    add: () => change(1),
    change: () => change(undefined),
    remove: () => change(undefined),
  }
}

/** Sites that may be changed in every way. */
const fakeSites = (
  read: <A>(value: () => A) => Effect.Effect<A, StoreError>,
  refusal: () => AccountRefused["reason"] | null,
): SitesService => {
  const change = () =>
    Effect.flatMap(
      read(() => refusal()),
      (reason): Effect.Effect<void, SiteRefused> =>
        reason === "taken" || reason === "missing" || reason === "too_many"
          ? Effect.fail(new SiteRefused({ reason }))
          : Effect.void,
    )
  const receipt: SiteReceipt = {
    ...{ id: "0d9a3c52-52a1-4f0e-8a3e-0c1a5f0c7f1b", erased_at: "2025-12-08T10:00:00.000Z", by: "ada" },
    ...{ site: "shop", events: 0, dead_letters: 0, first_at: null, last_at: null, days: 0, first_day: null },
    ...{ goals: 0, share_links: 0, keys: 0, removed: true, complete: true, not_reached: [] },
  }
  return { add: change, change, erase: () => Effect.as(change(), receipt) }
}

/** The world behind the server: what it was given, and what it is told to answer. */
export class World {
  readonly accepted: Array<StreamEvent> = []
  /** What the next appends end with. */
  failure: AppendFailure | null = null
  /** While set, appends are kept without an answer, until {@link release}. */
  held: Array<() => void> | null = null
  dayKey: Buffer | null = Buffer.alloc(32, 1)
  /** How questions fail. */
  queryFailure: QueryRefused["failure"] | null = null
  /** Questions asked so far, and the rows that they get. */
  readonly asked: Array<Question> = []
  /** How often it was made ready for questions. */
  prepared = 0
  queryRows: EngineAnswer["rows"] = [{ dimensions: [], metrics: [1], comparison: null }]
  storesUnavailable = false
  ready = true
  /** Reads of figures so far. */
  reads = 0
  /** While set, reads wait for it. */
  gate: Promise<void> | null = null
  realtime: Realtime = {
    current_visitors: 1,
    unique_today: 2,
    total_events: 3,
    letters_today: 4,
    timestamp: 1_765_000_000,
  }
  timelineRows = 3
  exportRows = 2
  exportFailsAfter = Number.POSITIVE_INFINITY
  /** What exports read instead of the rows above. */
  exported: (() => AsyncIterable<object>) | null = null
  /** How export iterations ended so far. */
  exportsEnded = 0
  /** Why accounts refuse what they are asked for. */
  accountRefusal: AccountRefused["reason"] | null = null
  /** Seconds that who tries a password has to wait. */
  attemptsWait = 0
  readonly erased: Array<string> = []
  /** API keys whose use was told, and in which minute. */
  readonly used: Array<readonly [key: number, minute: number]> = []
  /** Refused events that nodes would be told of. */
  readonly refused: Array<Refusal> = []
  /** Whether an erasure has to wait. */
  erasureMustWait = false

  release(): void {
    const { held } = this
    this.held = null
    for (const done of held ?? []) done()
  }

  #read<A>(value: () => A): Effect.Effect<A, StoreError> {
    return Effect.gen({ self: this }, function* () {
      this.reads++
      const { gate } = this
      if (gate !== null) yield* Effect.promise(() => gate)
      if (this.storesUnavailable) return yield* unavailable("redis")
      return value()
    })
  }

  async *#rows(row: (i: number) => object) {
    try {
      if (this.storesUnavailable) throw unavailable("postgres")
      for (let i = 0; i < this.exportRows; i++) {
        if (i === this.exportFailsAfter) throw unavailable("postgres")
        yield row(i)
      }
    } finally {
      this.exportsEnded++
    }
  }

  readonly services: Services = {
    appender: {
      append: (_partition, payload, done) => {
        const { failure } = this
        const settle = () => {
          if (failure !== null) return done(failure)
          const event = decodePayload(payload)
          if (typeof event === "string") throw new Error(event)
          this.accepted.push(event)
          done(null)
        }
        if (this.held !== null) this.held.push(settle)
        else setImmediate(settle)
      },
      settled: () => Promise.resolve(),
    },
    visitorKeys: { current: () => this.dayKey },
    figures: {
      realtime: () => this.#read(() => this.realtime),
      stats: (_site, period) =>
        this.#read(() => ({
          period,
          period_key: "2025-12-08",
          total_events: 10,
          page_views: 5,
          letters_generated: 1,
          unique_visitors: 2,
          conversion_rate: 0.5,
        })),
      themes: (_site, limit) =>
        this.#read(() =>
          ["=SUM(A1)", 'quoted "theme", really', "plain"]
            .slice(0, limit)
            .map((theme, i) => ({ theme, views: 3 - i, percentage: 33.3 })),
        ),
      letters: (_site, period) =>
        this.#read(() => ({
          period,
          total: 1,
          motivation: 1,
          anti_motivation: 0,
          unique_visitors: 2,
          conversion_rate: 0.5,
          history: [{ date: "2025-12-08", count: 1 }],
        })),
      lettersByType: () =>
        this.#read(() => [{ date: "2025-12-08", motivation: 1, anti_motivation: 0, other: 0, total: 1 }]),
    },
    queries: {
      timeline: ({ limit }) =>
        this.#read(() => ({
          rows: Array.from({ length: Math.min(limit, this.timelineRows) }, (_, i) => ({
            id: `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`,
            visitor_id: VISITOR,
            event_type: "page_view",
            event_data: null,
            page_url: "/cv",
            referrer: null,
            created_at: "2025-12-08T10:00:00.000Z",
          })),
          nextPageToken: "next",
        })),
      isPageToken: (text) => text === "next",
      heatmap: () => this.#read(() => ({ points: [{ x: 1, y: 2, count: 3 }], total: 1 })),
      history: ({ minutes }) =>
        this.#read(() => ({
          minutes: Array.from({ length: minutes }, (_, i) => ({
            time: new Date(i * 60_000).toISOString(),
            events: i,
            visitors: 1,
          })),
          until: minutes * 60_000,
        })),
      yesterday: () =>
        this.#read(() => ({
          date: "2025-12-07",
          from: "2025-12-07T00:00:00.000Z",
          until: "2025-12-08T00:00:00.000Z",
          total_events: [1],
          page_views: [1],
          letters: [0],
          unique_visitors: [1],
        })),
      exportVisitors: () =>
        this.exported?.() ??
        this.#rows((i) => ({
          visitor_id: `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`,
          first_seen: "2025-12-08T10:00:00.000Z",
          last_seen: "2025-12-08T11:00:00.000Z",
          events: 3,
          page_views: 2,
          letters: 1,
        })),
      keptOfVisitor: () =>
        this.#read(() => [
          {
            ...{ site: "main", events: 7 },
            ...{ first_at: "2025-12-08T10:00:00.000Z", last_at: "2025-12-08T11:00:00.000Z" },
          },
        ]),
      exportVisitor: (visitor_id) => this.#rows((i) => ({ id: i, visitor_id, event_type: "page_view" })),
    },
    questions: {
      ask: (query) =>
        Effect.suspend(() => {
          this.asked.push(query)
          return this.queryFailure !== null || this.storesUnavailable
            ? Effect.fail(new QueryRefused({ failure: this.queryFailure ?? "failed", message: "as told" }))
            : Effect.succeed({ rows: this.queryRows, total: this.queryRows.length })
        }),
      prepare: Effect.sync(() => {
        this.prepared++
      }),
      earliest: this.#read(() => new Map([["main", 0]])),
    },
    accounts: {
      ...fakeAccounts(
        (value) => this.#read(value),
        () => this.accountRefusal,
      ),
      used: (key, minute) =>
        Effect.sync(() => {
          this.used.push([key, minute])
        }),
    },
    goals: fakeGoals(
      (value) => this.#read(value),
      () => this.accountRefusal,
    ),
    sites: fakeSites(
      (value) => this.#read(value),
      () => this.accountRefusal,
    ),
    tellRefusals: (refusals) =>
      Effect.sync(() => {
        this.refused.push(...refusals)
      }),
    attempts: {
      count: () => this.#read(() => this.attemptsWait),
      succeeded: () => this.#read(() => undefined),
    },
    privacy: {
      erase: (who, id) =>
        this.erasureMustWait
          ? Effect.fail(new ErasureMustWait({ message: "the figures are being rebuilt" }))
          : this.#read(() => {
              this.erased.push(id)
              return {
                ...{ id: randomUUID(), erased_at: new Date().toISOString(), by: who, visitor_id: id },
                ...{ events: 6, dead_letters: 1, sites: [], not_reached: BEYOND_ERASURE },
              }
            }),
    },
    readiness: Effect.sync(() => ({
      ready: this.ready,
      redis: this.ready ? "up" : "down",
      postgres: "up",
      backlog: this.ready ? 0 : null,
      oldest_event_age_seconds: this.ready ? 0 : null,
      problems: this.ready ? [] : ["Redis (CONNECTION): no connection, or no answer in time. Is it running?"],
    })),
    metricsText: () => Effect.succeed({ contentType: "text/plain; version=0.0.4", body: "maicivy_up 1\n" }),
  }
}

/** Makes exports wait for a first row that never comes, until they are abandoned. Counts both. */
export const silentRows = (world: World) => {
  let started = 0
  let abandoned = 0
  const done = { done: true, value: undefined } as const
  world.exported = () => {
    const { promise, resolve } = Promise.withResolvers<typeof done>()
    started++
    const iterator: AsyncIterator<object> = {
      next: () => promise,
      return: () => {
        abandoned++
        resolve(done)
        return promise
      },
    }
    return { [Symbol.asyncIterator]: () => iterator }
  }
  return { started: () => started, abandoned: () => abandoned }
}

export interface Running extends AsyncDisposable {
  readonly server: Server
  readonly world: World
  readonly metrics: Metrics
  readonly url: string
  /** Stops the server as SIGTERM would; resolves when it has. */
  stop(): Promise<void>
}

/** Starts a server; `await using` stops it. */
export const serve = async (
  config: Partial<ServerConfig> = {},
  options: Partial<ServerOptions> = {},
  world = new World(),
  /** Hears what the server logs: message and annotations. */
  hear: (line: string) => void = () => undefined,
): Promise<Running> => {
  const scope = openScope()
  const metrics = new Metrics("test_")
  const logger = Logger.make(({ message, fiber }) =>
    hear(`${String(message)} ${JSON.stringify(fiber.getRef(References.CurrentLogAnnotations))}`),
  )
  const server = await scope.run(
    startServer({ ...DEFAULTS, ...config }, world.services, metrics, { now, ...options }).pipe(
      Effect.provide(Logger.layer([logger])),
    ),
  )
  return {
    server,
    world,
    metrics,
    url: `http://127.0.0.1:${server.port}`,
    stop: scope.close,
    [Symbol.asyncDispose]: scope.close,
  }
}

/** POSTs JSON; `body` is sent as it is when it is text or bytes. */
export const post = (
  url: string,
  body: unknown,
  headers: { readonly [name: string]: string } = {},
): Promise<Response> =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
  })

/** Requests that were answered with these labels. */
export const requestCount = async (
  metrics: Metrics,
  labels: { readonly [label: string]: string },
): Promise<number> => {
  const { values } = await metrics.requestDuration.get()
  const counts = values.filter(
    (each) =>
      each.metricName?.endsWith("_count") === true &&
      Object.entries(labels).every(([label, wanted]) => Reflect.get(each.labels, label) === wanted),
  )
  return counts.reduce((sum, each) => sum + each.value, 0)
}

/** The value of one labelled counter or gauge; 0 when it was never touched. */
export const metricValue = async (
  metrics: Metrics,
  name: string,
  labels: { readonly [label: string]: string } = {},
): Promise<number> => {
  const metric = await metrics.registry.getSingleMetric(`test_${name}`)?.get()
  const value = metric?.values.find((each) =>
    Object.entries(labels).every(([label, wanted]) => Reflect.get(each.labels, label) === wanted),
  )
  return value?.value ?? 0
}
