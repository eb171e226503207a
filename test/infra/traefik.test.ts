/** Traefik's recipe, which no test can run: what its parts name of one another is there. */
import { expect, test } from "vitest"
import { parse } from "yaml"
import { read } from "../support/documents.ts"

const keys = (value: unknown): ReadonlyArray<string> => Object.keys(Object(value))

test("Traefik's routers, services and entry points find one another", () => {
  const { entryPoints, certificatesResolvers } = parse(read("infra/traefik/traefik.yml"))
  const { routers, middlewares, services, serversTransports } = parse(read("infra/traefik/dynamic.yml")).http
  expect(keys(routers)).toEqual(["analytics", "metrics"])
  for (const router of keys(routers)) {
    const { entryPoints: used, service, middlewares: through = [] } = routers[router]
    expect(keys(entryPoints), router).toEqual(expect.arrayContaining(used))
    expect(keys(services), router).toContain(service)
    expect(keys(middlewares), router).toEqual(expect.arrayContaining(through))
  }
  for (const service of keys(services))
    expect(keys(serversTransports), service).toContain(services[service].loadBalancer.serversTransport)
  expect(keys(certificatesResolvers)).toContain(entryPoints.websecure.http.tls.certResolver)
})
