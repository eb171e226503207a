/**
 * The rooms of `src`, and their table in docs/architecture.md: `node scripts/rooms.ts` prints it, `--write` puts it
 * between the document's markers. Imports point down the list, which test/architecture checks.
 */
import { markdownTable, printOrWrite } from "./marked.ts"

const DOCUMENT = new URL("../docs/architecture.md", import.meta.url)

/** A folder of `src` and its one reason. */
export interface Room {
  /** Path below `src`; empty for `src` itself. */
  readonly path: string
  readonly reason: string
  /** The file to begin with. If it is a door, others may only import through it. */
  readonly main: string
  readonly door?: true
}

/** Top to bottom: imports point down this list, never up. */
export const ROOMS: ReadonlyArray<Room> = [
  { path: "", reason: "The program: serves, or runs a command", main: "main.ts" },
  { path: "commands", reason: "The command line, one file a command", main: "cli.ts" },
  {
    path: "tools/traffic",
    reason: "Generates traffic and compares every figure with a count of its own",
    main: "main.ts",
  },
  { path: "tools/replay", reason: "Feeds an access log through the public API", main: "main.ts" },
  { path: "tools/doctor", reason: "Examines a running deployment from outside", main: "index.ts" },
  {
    path: "node",
    reason: "Puts a node together: its stores, its roles, what it says of itself",
    main: "node.ts",
  },
  {
    path: "node/httpThread",
    reason: "The threads that take requests beside the main one, seen from both sides",
    main: "parent.ts",
  },
  { path: "server", reason: "The server's life, from listening to the last answer", main: "server.ts" },
  {
    path: "server/openapi",
    reason: "The API as an OpenAPI document, made of what the code checks",
    main: "document.ts",
  },
  { path: "server/api", reason: "The endpoints, one file a resource", main: "routes.ts" },
  {
    path: "server/threads",
    reason: "What HTTP threads share with the main one, ask of it, and are answered",
    main: "messages.ts",
  },
  { path: "server/dashboards", reason: "The WebSocket: who listens, what is sent and when", main: "hub.ts" },
  {
    path: "server/services",
    reason: "What the server asks of the rest, as interfaces, and answers kept for a moment",
    main: "services.ts",
  },
  {
    path: "server/access",
    reason: "Who may have what: the table of it, and what lets requests in",
    main: "needs.ts",
  },
  {
    path: "server/http",
    reason: "Bytes in and bytes out: framing, bodies, headers, refusals",
    main: "router.ts",
  },
  { path: "actors/thread", reason: "The actors' thread, seen from both of its sides", main: "parent.ts" },
  { path: "actors", reason: "The owners of partitions, and how a batch is committed", main: "supervisor.ts" },
  {
    path: "backup",
    reason: "A deployment as files: made while it runs, checked, put back",
    main: "backup.ts",
  },
  { path: "goals", reason: "Goals in Postgres: named filters of a site", main: "goals.ts" },
  {
    path: "sites",
    reason: "Sites: those of `SITES`, and those that are added while nodes run",
    main: "index.ts",
    door: true,
  },
  {
    path: "export",
    reason: "Whole days of events as files for other programs",
    main: "export.ts",
  },
  {
    path: "access",
    reason: "Users, keys and share links in Postgres, and who is known of them",
    main: "accounts.ts",
  },
  {
    path: "maintenance",
    reason: "What runs by the clock: retention, compaction, the append-only file",
    main: "maintenance.ts",
  },
  { path: "rebuild", reason: "Figures made again from Postgres", main: "partition.ts" },
  { path: "privacy", reason: "Day keys of cookieless visitors, erasure and its journal", main: "erase.ts" },
  { path: "aggregates", reason: "The figures in Redis: adding a batch, reading them", main: "figures.ts" },
  {
    path: "live",
    reason: "What nodes tell each other: of a batch, within a budget, and of what has changed",
    main: "feed.ts",
  },
  {
    path: "query/engine",
    reason: "Questions answered exactly, in a process of its own, from files made of the chunks",
    main: "index.ts",
    door: true,
  },
  {
    path: "query/language",
    reason: "The language of questions: what may be asked, read and resolved",
    main: "index.ts",
    door: true,
  },
  { path: "events/retention", reason: "Deletes raw events that have expired", main: "index.ts", door: true },
  {
    path: "events/read",
    reason: "Questions to raw events: timeline, heatmap, history, visitors",
    main: "index.ts",
    door: true,
  },
  { path: "events/write", reason: "Writes batches, each event once", main: "index.ts", door: true },
  {
    path: "events/totals",
    reason: "What outlives raw events: daily totals, unique visitors of periods",
    main: "index.ts",
    door: true,
  },
  {
    path: "events/chunks",
    reason: "Events as packed rows: made, read, merged, shrunk",
    main: "index.ts",
    door: true,
  },
  {
    path: "events/schema",
    reason: "Migrations, the deployment's settings, sites, day tables",
    main: "index.ts",
    door: true,
  },
  { path: "stream", reason: "The log: appending, reading, dead letters", main: "partitionLog.ts" },
  {
    path: "stores",
    reason: "Connections to Redis and Postgres, how they fail, every Redis key",
    main: "errors.ts",
  },
  { path: "metrics", reason: "Every Prometheus metric, once", main: "metrics.ts" },
  {
    path: "runtime/thread",
    reason: "A thread beside the main one: started, measured, restarted, stopped",
    main: "parent.ts",
  },
  {
    path: "runtime",
    reason: "What every thread does: logging, giving memory back, taking turns",
    main: "logging.ts",
  },
  {
    path: "embedded",
    reason: "Redis and PostgreSQL for a machine that has none",
    main: "index.ts",
    door: true,
  },
  {
    path: "enrichment",
    reason: "What a request tells of its event: browser, bot, place, source",
    main: "enricher.ts",
  },
  {
    path: "config",
    reason: "What a program is told: settings, arguments, secrets, the time it has to stop",
    main: "settings.ts",
  },
  {
    path: "dashboard",
    reason: "The pages at `/`, `/live` and `/settings`, in the browser",
    main: "main.tsx",
  },
  { path: "dashboard/front", reason: "The front page, which answers questions", main: "frontPage.tsx" },
  { path: "dashboard/settings", reason: "The settings page, one file a tab", main: "settingsPage.tsx" },
  {
    path: "dashboard/panels",
    reason:
      "What pages are made of: panels of the live page, one file each, and the parts that the others use, too",
    main: "parts.tsx",
  },
  { path: "dashboard/model", reason: "What the pages know, and how they learn it", main: "store.ts" },
  { path: "dashboard/texts", reason: "Every text of the pages, one file a language", main: "index.ts" },
  { path: "login", reason: "The page to log in and out, and to make the first owner", main: "login.js" },
  { path: "tracker", reason: "The script that sites load, in the browser", main: "main.ts" },
  { path: "sdk", reason: "The client and the middleware for senders", main: "index.ts" },
  { path: "domain", reason: "What events, visitors and periods are; pure, no I/O", main: "event.ts" },
]

/** The table in Markdown, one row per room. */
export const roomsTable = (): string =>
  markdownTable(
    ["room", "reason", "begin with"],
    ROOMS.map(({ path, reason, main, door }) => [
      `\`src/${path === "" ? "" : `${path}/`}\``,
      reason,
      `\`${main}\`${door === true ? " (its door)" : ""}`,
    ]),
  )

if (import.meta.main) printOrWrite(DOCUMENT, { rooms: roomsTable() })
