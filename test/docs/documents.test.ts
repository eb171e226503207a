import { describe, expect, test } from "vitest"
import { adviceTable } from "../../scripts/adviceTable.ts"
import { apiTables } from "../../scripts/apiTables.ts"
import { dimensionsTable } from "../../scripts/dimensionsTable.ts"
import { figuresTable } from "../../scripts/figuresTable.ts"
import { marked } from "../../scripts/marked.ts"
import { redisUser } from "../../scripts/redisUser.ts"
import { settingsTable } from "../../scripts/settingsTable.ts"
import { sizingTables } from "../../scripts/sizingTables.ts"
import { KNOWN_TYPES } from "../../src/domain/event.ts"
import { ERROR_CODES } from "../../src/domain/frames.ts"
import { WEBSOCKET_PATH } from "../../src/domain/paths.ts"
import { Metrics } from "../../src/metrics/metrics.ts"
import { PROBLEMS, SILENT_DROPS } from "../../src/server/http/problemCodes.ts"
import {
  attemptsKey,
  deploymentKey,
  figureKeys,
  nodesKey,
  streamKeys,
  visitorKeyKey,
} from "../../src/stores/redisKeys.ts"
import { faultsOf } from "../chaos/faults.ts"
import { TOPOLOGIES } from "../chaos/redis.ts"
import { markerOf } from "../chaos/table.ts"
import {
  brokenLinks,
  codes,
  documents,
  filesIn,
  longProse,
  read,
  section,
  tableRows,
} from "../support/documents.ts"
import { routes, served } from "../support/routes.ts"

const sorted = (texts: Iterable<string>): ReadonlyArray<string> => [...texts].sort()

/** The first cell of each row, without its backticks. */
const firstCells = (text: string): ReadonlyArray<string> =>
  tableRows(text).flatMap(([first = ""]) => codes(first).slice(0, 1))

const firstColumn = (text: string): ReadonlyArray<string> => tableRows(text).map(([first = ""]) => first)

const BASE = "/api/v1/analytics"

describe("the README", () => {
  test("shows the settings that there are", () => {
    expect(marked(read("README.md"), "settings"), "Run `npm run tables`.").toBe(settingsTable())
  })

  test("has a table of every dimension", () => {
    expect(marked(read("docs/events.md"), "dimensions"), "Run `npm run tables`.").toBe(dimensionsTable())
  })

  test("quotes the figures of the newest run, and no other", () => {
    expect(marked(read("README.md"), "figures"), "Run `npm run tables`.").toBe(figuresTable())
  })
})

describe("docs/operations.md", () => {
  test("grants a user of Redis what the start asks for", () => {
    expect(marked(read("docs/operations.md"), "redis-user"), "Run `npm run tables`.").toBe(redisUser())
  })
})

describe("docs/sizing.md", () => {
  test("calculates with the figures of the newest run, and no other", () => {
    const document = read("docs/sizing.md")
    for (const [name, table] of Object.entries(sizingTables()))
      expect(marked(document, name), "Run `npm run tables`.").toBe(table)
  })
})

describe("docs/reliability.md", () => {
  test.each(TOPOLOGIES)("has a row for every fault of the topology %s, and no other", (topology) => {
    const names = faultsOf(topology).map(({ name }) => name)
    expect(firstCells(marked(read("docs/reliability.md"), markerOf(topology)))).toEqual(names)
  })
})

describe("docs/metrics.md", () => {
  test("lists every metric with its type and labels, and no other", () => {
    const [reference = ""] = read("docs/metrics.md").split("\n## Alerts")
    const documented = tableRows(reference).map(
      ([name = "", type, labels = ""]) => `${codes(name)[0]} ${type} {${sorted(codes(labels))}}`,
    )
    const registered = new Metrics("maicivy_").registry
      .getMetricsAsArray()
      .map((metric) => `${metric.name} ${metric.type} {${sorted(Reflect.get(metric, "labelNames"))}}`)
    expect(sorted(documented)).toEqual(sorted(registered))
  })

  test("names the reasons for which events are dropped that are no error code, and no other", () => {
    const [, , , description = ""] =
      tableRows(read("docs/metrics.md")).find(([name = ""]) => name.includes("events_rejected_total")) ?? []
    expect(codes(description)).toEqual([...SILENT_DROPS])
  })

  test("names every endpoint label", () => {
    const { exact, prefixes } = routes()
    const labels = [...exact.values(), ...prefixes.map(([, route]) => route)].map(({ name }) => name)
    const documented = codes(
      section(read("docs/metrics.md"), "HTTP and WebSocket").split("\n\n").at(-1) ?? "",
    )
    expect(sorted(documented)).toEqual(sorted(new Set(["endpoint", "other", ...labels])))
  })
})

describe("error codes", () => {
  test("of HTTP are those of docs/api.md, with their statuses", () => {
    const documented = tableRows(section(read("docs/api.md"), "Errors")).map(
      ([code = "", status]) => `${codes(code)[0]} ${status}`,
    )
    const known = Object.entries(PROBLEMS).map(([code, { status }]) => `${code} ${status.slice(0, 3)}`)
    expect(sorted(documented)).toEqual(sorted(known))
  })

  test("of the WebSocket are those of docs/websocket.md", () => {
    const documented = firstCells(section(read("docs/websocket.md"), "From the client")).filter((code) =>
      /^[A-Z_]+$/.test(code),
    )
    expect(sorted(documented)).toEqual(sorted(ERROR_CODES))
  })

  test("in the documents are codes that there are", () => {
    const known = new Set([...Object.keys(PROBLEMS), ...ERROR_CODES])
    const api = section(read("docs/api.md"), "Sending events")
    const quoted = [...api.matchAll(/"code":"([A-Z_]+)"/g)].map((match) => match[1] ?? "")
    const ends = /_(TYPE|DATA|URL|ID|RANGE|VISITOR|SITE|UNAVAILABLE|FULL|LIMITED|KEY)$/
    const named = codes(api).filter((code) => ends.test(code) && /^[A-Z_]+$/.test(code))
    expect([...quoted, ...named].filter((code) => !known.has(code) && !/^REQUIRE_/.test(code))).toEqual([])
  })
})

describe("docs/api.md", () => {
  const text = read("docs/api.md")

  test("has a row for every event type with a meaning, and no other", () => {
    const [, table = ""] = text.split("Event types with figures of their own:")
    const rows = tableRows(table.split("\n\n")[1] ?? "")
    expect(sorted(rows.flatMap(([first = ""]) => codes(first)))).toEqual(sorted(KNOWN_TYPES))
  })

  const documented = new Set(
    [...text.matchAll(/`(GET|POST|PATCH|DELETE) (\/[^\s`?]*)`/g)].map((match) => `${match[1]} ${match[2]}`),
  )
  const paths = served().map((route) => route.replace(BASE, ""))

  test("has every route with its methods", () => {
    expect(paths).toContain(`GET ${WEBSOCKET_PATH}`)
    expect(paths.filter((route) => !documented.has(route))).toEqual([])
  })

  test("has no route that is not served", () => {
    expect([...documented].filter((route) => !paths.includes(route))).toEqual([])
  })

  test.each(Object.entries(apiTables()))("has the table %s of the OpenAPI document", (name, table) => {
    expect(marked(text, name), "Run `npm run tables`.").toBe(table)
  })

  test("shows JSON that is JSON", () => {
    for (const document of ["docs/api.md", "docs/websocket.md"])
      for (const [, example = ""] of read(document).matchAll(/^```json\n([\s\S]*?)^```/gm))
        expect(() => JSON.parse(example), `${document}: ${example}`).not.toThrow()
  })
})

describe("docs/troubleshooting.md", () => {
  test("has the advice on what stores say", () => {
    expect(marked(read("docs/troubleshooting.md"), "advice"), "Run `npm run tables`.").toBe(adviceTable())
  })

  test("quotes what the code says", () => {
    const source = filesIn("src", ".ts")
      .map(read)
      .join("\n")
      .replaceAll("${", "…${")
      .replaceAll(/\$\{[^}]*\}/g, "…")
    const fragments = firstColumn(read("docs/troubleshooting.md"))
      .flatMap(codes)
      .flatMap((quoted) => quoted.split("…").map((part) => part.trim()))
      .filter((part) => part !== "")
    expect(fragments.length).toBeGreaterThan(15)
    expect(fragments.filter((part) => !source.includes(part))).toEqual([])
  })
})

test("documents name scripts of npm that there are", () => {
  const { scripts } = JSON.parse(read("package.json"))
  const named = documents().flatMap((document) =>
    [...read(document).matchAll(/\bnpm run ([a-z:]+)/g)].map((match) => match[1] ?? ""),
  )
  expect(new Set(named).size).toBeGreaterThan(8)
  expect(named.filter((script) => !(script in scripts))).toEqual([])
})

describe("links", () => {
  test.each(documents().filter((document) => document !== "README.md"))("of %s resolve", (document) => {
    expect(brokenLinks(document)).toEqual([])
  })
  test("of README.md resolve", () => {
    expect(brokenLinks("README.md")).toEqual([])
  })
})

describe("lines of prose", () => {
  test.each(["bench/README.md", ...documents()])("of %s fit in 120 columns", (document) => {
    expect(longProse(read(document))).toEqual([])
  })
})

describe("the table of Redis keys", () => {
  const source = read("src/stores/redisKeys.ts")
  const table = source
    .slice(0, source.indexOf("*/"))
    .split("\n")
    .map((line) => line.replace(/^ \* /, ""))
    .join("\n")

  test("in src/stores/redisKeys.ts has every key that is built, and no other", () => {
    const site = figureKeys("P", 0, "S")
    const period = site.period("K")
    const built = [
      ...Object.values(streamKeys("P", 0)),
      site.active,
      site.themes,
      ...Object.values({ ...period, visitors: `${period.visitors}B` }),
      deploymentKey("P"),
      nodesKey("P"),
      visitorKeyKey("P", "D"),
      attemptsKey("P", "H"),
    ].map((key) => key.replace("{0}", "{p}"))
    expect(sorted(firstCells(table))).toEqual(sorted(built))
  })

  test("is all there is: no script makes a key of another, for a cluster must know them all beforehand", () => {
    const made = filesIn("src", ".lua").filter((path) => /\.\. '[^']*:/.test(read(path)))
    expect(made).toEqual([])
  })
})

describe("docs/architecture.md", () => {
  test("has every table of the schema", () => {
    const tables = (statement: RegExp) =>
      filesIn("src/events", ".sql").flatMap((path) =>
        [...read(path).matchAll(statement)].map(([, name]) => name ?? ""),
      )
    const dropped = tables(/^DROP TABLE (\w+)/gm)
    const created = tables(/^CREATE TABLE (\w+)/gm).filter((name) => !dropped.includes(name))
    const documented = firstCells(section(read("docs/architecture.md"), "Postgres tables"))
    expect(sorted(documented)).toEqual(sorted([...created, "schema_migrations"]))
  })

  test("names files that there are", () => {
    const named = documents()
      .filter((document) => document !== "README.md")
      .flatMap((document) => codes(read(document)))
      .flatMap((code) => /^(src|scripts)\/[\w/.-]*$/.exec(code)?.[0] ?? [])
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((path) => !/NNN/.test(path) && !exists(path))).toEqual([])
  })
})

const exists = (path: string): boolean => {
  try {
    return path.endsWith("/") ? filesIn(path.slice(0, -1), "").length > 0 : read(path) !== ""
  } catch {
    return false
  }
}
