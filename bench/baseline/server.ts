/**
 * The straightforward alternative, as an engineer would write it in an afternoon: Fastify, pg, ioredis and ws. An event
 * becomes a row, is counted in Redis and sent to the dashboards, then the sender gets its response. Pools, pipelining,
 * prepared statements and schema validation are used as their documentation advises; senders' ids are honoured.
 *
 * REDIS_URL and DATABASE_URL name its stores, PORT its port (0: any); it sends `{port}` to its parent.
 */
import { createHash, randomUUID } from "node:crypto"
import Fastify from "fastify"
import { Redis } from "ioredis"
import pg from "pg"
import { WebSocketServer } from "ws"
import { API_PATH, WEBSOCKET_PATH } from "../../src/domain/paths.ts"

const CHANNEL = "realtime"

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const redis = new Redis(process.env.REDIS_URL ?? "", { enableAutoPipelining: true })
const subscriber = new Redis(process.env.REDIS_URL ?? "")

await pool.query(`
  CREATE TABLE IF NOT EXISTS events (
    id uuid PRIMARY KEY,
    visitor_id uuid NOT NULL,
    event_type text NOT NULL,
    event_data jsonb,
    page_url text,
    referrer text,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX IF NOT EXISTS events_created_at ON events (created_at DESC)`)

interface EventBody {
  readonly event_type: string
  readonly event_data?: Record<string, unknown>
  readonly page_url?: string
  readonly referrer?: string
  readonly id?: string
  readonly timestamp?: string | number
  readonly visitor_id?: string
}

const schema = {
  body: {
    type: "object",
    required: ["event_type"],
    properties: {
      event_type: { type: "string", pattern: "^[a-z0-9_.:-]{1,50}$" },
      event_data: { type: "object" },
      page_url: { type: "string" },
      referrer: { type: "string" },
      id: { type: "string", format: "uuid" },
      timestamp: { type: ["string", "number"] },
      visitor_id: { type: "string", format: "uuid" },
    },
  },
}

const INSERT = {
  name: "insert",
  text: `INSERT INTO events (id, visitor_id, event_type, event_data, page_url, referrer, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING`,
}

/** The visitor of a request without an explicit one, from its address and user agent. */
const derivedVisitor = (address: string, agent: string): string => {
  const hex = createHash("sha256").update(`${address} ${agent}`).digest("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** Counts a new event and tells the dashboards. */
const count = (event: EventBody, visitor: string, at: Date) => {
  const day = at.toISOString().slice(0, 10)
  const pipeline = redis.multi()
  pipeline.hincrby(`stats:${day}`, "events", 1)
  if (event.event_type === "page_view") pipeline.hincrby(`stats:${day}`, "page_views", 1)
  if (event.event_type === "letter_generate") pipeline.hincrby(`stats:${day}`, "letters", 1)
  pipeline.pfadd(`visitors:${day}`, visitor)
  pipeline.zadd("active", Date.now(), visitor)
  if (event.event_type === "cv_theme_change" && typeof event.event_data?.theme === "string")
    pipeline.zincrby("themes", 1, event.event_data.theme)
  const frame = {
    type: event.event_type,
    visitor_id: visitor,
    timestamp: at,
    page_url: event.page_url,
    data: event.event_data,
  }
  pipeline.publish(CHANNEL, JSON.stringify(frame))
  return pipeline.exec()
}

const app = Fastify({ bodyLimit: 64 * 1024, ajv: { customOptions: { allowUnionTypes: true } } })

app.post<{ Body: EventBody }>(`${API_PATH}/event`, { schema }, async (request, reply) => {
  const event = request.body
  const visitor = event.visitor_id ?? derivedVisitor(request.ip, request.headers["user-agent"] ?? "")
  const at = event.timestamp === undefined ? new Date() : new Date(event.timestamp)
  const { rowCount } = await pool.query(INSERT, [
    event.id ?? randomUUID(),
    visitor,
    event.event_type,
    event.event_data ?? null,
    event.page_url ?? null,
    event.referrer ?? request.headers.referer ?? null,
    at,
  ])
  // If the row already existed, this is a retry that has been counted.
  if (rowCount === 1) await count(event, visitor, at)
  return reply.code(201).send({ success: true, message: "Event tracked successfully" })
})
app.get("/health", () => "ok")

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT ?? 0) })
const dashboards = new WebSocketServer({ server: app.server, path: WEBSOCKET_PATH })
subscriber.on("message", (_channel, message) => {
  for (const dashboard of dashboards.clients) dashboard.send(message)
})
await subscriber.subscribe(CHANNEL)

const address = app.server.address()
if (typeof address === "object" && address !== null) process.send?.({ port: address.port })
process.on("disconnect", () => process.exit())
