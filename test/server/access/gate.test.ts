import { expect, test } from "vitest"
import { digestOf } from "../../../src/access/tokens.ts"
import { Gate, type GateOptions } from "../../../src/server/access/gate.ts"
import { type Asking, granterOf } from "../../../src/server/http/access.ts"
import { TrustedProxies } from "../../../src/server/http/clientAddress.ts"
import { RequestHeaders } from "../../../src/server/http/headers.ts"
import { SiteDirectory } from "../../../src/sites/index.ts"

const MINUTE = Date.parse("2025-12-08T12:34:00Z")
const ADDRESS = new Uint8Array([192, 0, 2, 1]).buffer

/** A request with a token. */
const asking = (token: string): Asking => {
  const headers = new RequestHeaders()
  headers.authorization = `Bearer ${token}`
  const res = { getRemoteAddress: () => ADDRESS, getProxiedRemoteAddress: () => new ArrayBuffer(0) }
  return { res, headers, method: "GET", header: () => "" }
}

/** A private one. */
const gateOf = (more: Partial<GateOptions>): Gate =>
  new Gate({
    ...{ access: "private", host: "127.0.0.1" },
    ...{ adminToken: null, metricsToken: null, localKey: null, writeKeys: [] },
    ...{ authProxyHeader: null, authProxyRole: null, sites: new SiteDirectory(["main"]) },
    proxies: new TrustedProxies({
      trustedProxies: [],
      clientAddressHeader: "x-forwarded-for",
      proxyProtocol: false,
    }),
    ...{ run: () => {}, now: () => MINUTE, onUsed: () => {} },
    ...more,
  })

test("what a setting's secret has granted ends with that secret", () => {
  const gate = gateOf({ adminToken: "leaked-admin-token" })
  const { grant } = gate.look(asking("leaked-admin-token"))
  const granter = JSON.parse(JSON.stringify(granterOf(grant)))
  expect(granter).toEqual({ id: null, name: "ADMIN_TOKEN", digest: expect.stringMatching(/^[0-9a-f]{4}$/) })
  expect(gate.current(granter)).toBe(grant)
  expect(gate.holds(grant)).toBe(true)
  expect(gateOf({ adminToken: "leaked-admin-token" }).current(granter)).toEqual(grant)
  expect(gateOf({ adminToken: "another-admin-token" }).current(granter)).toBeNull()
  expect(gateOf({ metricsToken: "leaked-admin-token" }).current(granter)).toBeNull()
  expect(gateOf({}).current(granter)).toBeNull()
  expect(gate.current({ id: null, name: "ADMIN_TOKEN" })).toBeNull()
})

test("a key's use is told once a minute, and only a key's", () => {
  let now = MINUTE + 1234
  const told: Array<readonly [key: number, minute: number]> = []
  const gate = gateOf({ now: () => now, onUsed: (key, minute) => told.push([key, minute]) })
  const token = { name: "one", scopes: ["read"], sites: null, unlockKey: null, embedOn: [] } as const
  const [key, other] = [
    { ...token, kind: "key", expiresAt: null } as const,
    { ...token, kind: "key" } as const,
  ]
  gate.learn({
    version: 1,
    tokens: [
      { ...key, id: 1, digest: digestOf("mak_1") },
      { ...key, id: 2, digest: digestOf("mak_2") },
      { ...other, id: 3, digest: digestOf("mak_over"), expiresAt: MINUTE },
      { ...key, kind: "share", id: 4, digest: digestOf("mav_4") },
    ],
    users: [],
  })
  for (const each of ["mak_1", "mak_1", "mak_2", "mak_over", "mav_4", "mak_wrong"])
    gate.admit(asking(each), "figures")
  expect(told).toEqual([
    [1, MINUTE],
    [2, MINUTE],
  ])
  now = MINUTE + 59_999
  gate.look(asking("mak_1"))
  expect(told).toHaveLength(2)
  now = MINUTE + 60_000
  gate.look(asking("mak_1"))
  gate.look(asking("mak_1"))
  expect(told.slice(2)).toEqual([[1, MINUTE + 60_000]])
})
