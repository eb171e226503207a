/** The routes that a server with everything switched on has; nothing of what they would call runs. */

import { PageQuery } from "../../src/domain/pageQuery.ts"
import type { Gate } from "../../src/server/access/gate.ts"
import type { Ingest } from "../../src/server/api/ingest.ts"
import { apiRoutes } from "../../src/server/api/routes.ts"
import type { Bodies } from "../../src/server/http/body.ts"
import type { TrustedProxies } from "../../src/server/http/clientAddress.ts"
import type { ChoiceFigures } from "../../src/server/services/choiceFigures.ts"
import type { Pseudonyms } from "../../src/server/services/pseudonyms.ts"
import type { Questions } from "../../src/server/services/questions.ts"
import { SiteDirectory } from "../../src/sites/index.ts"
import { World } from "./server.ts"

export const routes = () =>
  apiRoutes({
    ingest: {} as Ingest,
    services: new World().services,
    gate: {} as Gate,
    sites: new SiteDirectory(["main"]),
    pageQuery: new PageQuery([]),
    pseudonyms: {} as Pseudonyms,
    basePath: "",
    timeZone: "UTC",
    retentionDays: 90,
    scriptPath: "/hello.js",
    eventPath: "/hello",
    serving: true,
    traffic: { draining: false },
    proxies: {} as TrustedProxies,
    bodies: {} as Bodies,
    questions: {} as Questions,
    choiceFigures: {} as ChoiceFigures,
    now: () => 0,
    openApiDocument: () => ({}),
    run: () => {
      throw new Error("no route is called here")
    },
  })

/** `GET /health` and so on, an id at the path's end as `{id}`. */
export const served = (): ReadonlyArray<string> => {
  const { exact, prefixes } = routes()
  return [
    ...[...exact].map(([path, route]) => ({ path, methods: Object.keys(route.handlers) })),
    ...prefixes.map(([prefix, route]) => ({ path: `${prefix}{id}`, methods: Object.keys(route.handlers) })),
  ].flatMap(({ path, methods }) => methods.map((method) => `${method} ${path}`))
}
