/** The table of access: complete, and what a running server goes by, for every kind of access. */
import { describe, expect, test } from "vitest"
import type { Known, KnownToken } from "../../../src/access/known.ts"
import { digestOf } from "../../../src/access/tokens.ts"
import { QUERY_TOPIC, TOPICS } from "../../../src/domain/frames.ts"
import { ROLES, SCOPES_OF } from "../../../src/domain/roles.ts"
import { CHOSEN, ENDPOINTS, needOf, TOPIC_NEEDS } from "../../../src/server/access/needs.ts"
import type { Method, Need } from "../../../src/server/http/access.ts"
import { served } from "../../support/routes.ts"
import { ADMIN_TOKEN, API, type Running, serve, VISITOR, WRITE_KEY } from "../../support/server.ts"

const METRICS_TOKEN = "metrics-token-0123456789"
const LOCAL_KEY = "local-key-0123456789"

const addressOf = (path: string): string =>
  path
    .replace(CHOSEN.scriptPath, "/hello.js")
    .replace(CHOSEN.eventPath, "/hello")
    .replace(CHOSEN.basePath, "/stats")
    .replace("{id}", path.includes("/visitors/") ? VISITOR : "1")

/** Every row of the table that has an address of its own. */
const rows = Object.entries(ENDPOINTS).flatMap(([path, row]) =>
  Object.entries(row).map(([method, need]) => ({ method, need, path: addressOf(path) })),
)

/** How somebody says who they are. */
type Says = (origin: string) => { readonly [header: string]: string }

const bearer =
  (token: string): Says =>
  () => ({ Authorization: `Bearer ${token}` })
/** As a browser does on a page of this server's. */
const loggedIn =
  (token: string): Says =>
  (origin) => ({ Cookie: `maicivy_login=${token}`, Origin: origin })
const namedByProxy =
  (name: string): Says =>
  (origin) => ({ "X-Forwarded-User": name, Origin: origin })

const ALL: ReadonlyArray<Need> = ["figures", "read", "write", "admin", "metrics"]

/** What each kind of access has, in addition to what everybody has. */
const KINDS: { readonly [kind: string]: { readonly says: Says; readonly has: ReadonlyArray<Need> } } = {
  nobody: { says: () => ({}), has: [] },
  "a wrong token": { says: bearer("wrong-token-0123456789"), has: [] },
  "the bearer of WRITE_KEYS": { says: bearer(WRITE_KEY), has: [] },
  "the bearer of METRICS_TOKEN": { says: bearer(METRICS_TOKEN), has: ["metrics"] },
  "a tool on this machine": { says: bearer(LOCAL_KEY), has: ["figures", "read"] },
  "the bearer of ADMIN_TOKEN": { says: bearer(ADMIN_TOKEN), has: ALL },
  "a key that reads": { says: bearer("mak_read"), has: ["figures", "read"] },
  "a key that changes": { says: bearer("mak_write"), has: ["write"] },
  "a key for everything": { says: bearer("mak_admin"), has: ALL },
  "a share link": { says: bearer("mav_share"), has: ["figures"] },
  "a share link that waits for its password": { says: bearer("mav_closed"), has: [] },
  "a key that has expired": { says: bearer("mak_expired"), has: [] },
  "a viewer": { says: loggedIn("mas_viewer"), has: ["figures", "read"] },
  "an editor": { says: loggedIn("mas_editor"), has: ["figures", "read", "write"] },
  "an owner": { says: loggedIn("mas_owner"), has: ALL },
  "a session's token as a key": { says: bearer("mas_owner"), has: [] },
  "a key's token as a session": { says: loggedIn("mak_admin"), has: [] },
  "a user whom a proxy names": { says: namedByProxy("boss"), has: ALL },
  "somebody whom a proxy names": { says: namedByProxy("guest"), has: ["figures", "read"] },
}

const token = (id: number, text: string, scopes: KnownToken["scopes"], more: Partial<KnownToken> = {}) => ({
  ...{ id, kind: "key" as const, digest: digestOf(text), name: text, scopes, sites: null },
  ...{ expiresAt: null, unlockKey: null, embedOn: [], ...more },
})

/** Who has access, besides those whom settings name. */
const KNOWN: Known = {
  version: 1,
  tokens: [
    token(11, "mak_read", ["read"]),
    token(12, "mak_write", ["write"]),
    token(13, "mak_admin", ["admin"]),
    token(14, "mak_expired", ["admin"], { expiresAt: 1 }),
    token(15, "mav_share", ["figures"], { kind: "share", sites: ["main"] }),
    token(16, "mav_closed", ["figures"], { kind: "share", sites: ["main"], unlockKey: "key" }),
    ...ROLES.map((role, i) => token(17 + i, `mas_${role}`, SCOPES_OF[role], { kind: "session" })),
  ],
  users: [{ name: "boss", role: "owner", sites: null }],
}

const ask = async ({ url }: Running, method: string, path: string, says: Says) => {
  const answer = await fetch(`${url}${path}`, {
    method,
    redirect: "manual",
    headers: says(url),
    ...(["POST", "PATCH"].includes(method) && { body: "{}" }),
  })
  await answer.arrayBuffer()
  return answer.status
}

/** What a refusal of access would be; anything else is the endpoint's own answer. */
const REFUSED = [401, 403]

describe.each([
  { access: null, open: ["open", "figures"] },
  { access: "public", open: ["open", "figures"] },
  { access: "private", open: ["open"] },
] as const)("with ACCESS=$access", ({ access, open }) => {
  test.each(Object.entries(KINDS))("%s gets what the table says", async (_, { says, has }) => {
    await using running = await serve(
      {
        access,
        adminToken: ADMIN_TOKEN,
        metricsToken: METRICS_TOKEN,
        writeKeys: [WRITE_KEY],
        ...{ basePath: "/stats", trustedProxies: ["127.0.0.1/32"], authProxyHeader: "x-forwarded-user" },
      },
      { localWriteKey: LOCAL_KEY },
    )
    running.server.learn(KNOWN)
    const allowed = new Set<string>([...open, ...has])
    const got: Array<string> = []
    const wanted: Array<string> = []
    for (const { method, path, need } of rows) {
      // A write key that is none is the sender's matter, whoever may send.
      if (path.includes("/event") || path === "/hello") continue
      const status = await ask(running, method, path, says)
      wanted.push(`${method} ${path} ${allowed.has(need) ? "answered" : "refused"}`)
      // One wrong token too many is refused as such.
      const refused = REFUSED.includes(status) || status === 429
      got.push(`${method} ${path} ${refused ? "refused" : "answered"}`)
    }
    expect(got).toEqual(wanted)
  })
})

describe("the table", () => {
  test("has a row for every method of every route, and no other", () => {
    const listed = Object.entries(ENDPOINTS)
      .filter(([path]) => path !== CHOSEN.basePath)
      .flatMap(([path, row]) =>
        Object.keys(row).map((method) => `${method} ${path.includes("{id}") ? path : addressOf(path)}`),
      )
    expect(listed.sort()).toEqual([...served()].sort())
  })

  test("has a row for every topic", () => {
    expect(Object.keys(TOPIC_NEEDS).sort()).toEqual([...TOPICS, QUERY_TOPIC].sort())
  })

  test("lets nothing pass that it does not know", () => {
    const forgotten: ReadonlyArray<readonly [string, Method]> = [
      [`${API}/forgotten`, "GET"],
      [`${API}/stats`, "DELETE"],
    ]
    for (const [path, method] of forgotten) expect(() => needOf(path, method)).toThrow("has no row")
  })
})

test("metrics are for everybody with ACCESS=public, and with ACCESS=private for this machine, unless there is a token", async () => {
  const status = async (access: "public" | "private", metricsToken: string | null, headers = {}) => {
    await using running = await serve({ access, metricsToken })
    return (await fetch(`${running.url}/metrics`, { headers })).status
  }
  const passedOn = { "X-Forwarded-For": "192.0.2.1" }
  expect(await status("public", null, passedOn)).toBe(200)
  expect(await status("private", null)).toBe(200)
  expect(await status("private", null, passedOn)).toBe(401)
  expect(await status("public", METRICS_TOKEN)).toBe(401)
  expect(await status("private", METRICS_TOKEN)).toBe(401)
  expect(await status("private", METRICS_TOKEN, { Authorization: `Bearer ${METRICS_TOKEN}` })).toBe(200)
})

test("a private server names no site to whom it is closed", async () => {
  await using running = await serve({ access: "private", adminToken: ADMIN_TOKEN, sites: ["main", "secret"] })
  for (const { method, path } of rows) {
    const answer = await fetch(`${running.url}${path}?site=secret`, {
      method,
      redirect: "manual",
      ...(method === "POST" && { body: JSON.stringify({ event_type: "page_view", visitor_id: VISITOR }) }),
    })
    expect(await answer.text(), `${method} ${path}`).not.toContain('"secret"')
  }
})

test("visitors are pseudonyms where everybody may look, the same for a day", async () => {
  await using running = await serve({ adminToken: ADMIN_TOKEN })
  const { world, url } = running
  // Each time another, so that no answer is one that was kept.
  let limit = 3
  const idsSeenWith = async (headers: { readonly [name: string]: string }) => {
    limit++
    const answer = await (await fetch(`${url}${API}/timeline?limit=${limit}`, { headers })).text()
    return new Set([...answer.matchAll(/"visitor_id":"([^"]+)"/g)].map(([, id]) => id))
  }
  const first = await idsSeenWith({})
  expect(first.size).toBe(1)
  expect(first).not.toContain(VISITOR)
  expect(await idsSeenWith({ Authorization: "Bearer wrong-0123456789" })).toEqual(first)
  expect(await idsSeenWith({ Authorization: `Bearer ${ADMIN_TOKEN}` })).toEqual(new Set([VISITOR]))
  world.dayKey = Buffer.alloc(32, 2)
  expect(await idsSeenWith({})).not.toEqual(first)
})

test("frames call visitors by their pseudonyms", async () => {
  await using running = await serve()
  const socket = new WebSocket(`${running.url.replace("http", "ws")}/ws/analytics`)
  const frames: Array<{ readonly type: string; readonly visitor_id?: string }> = []
  await new Promise<void>((resolve) => {
    socket.onmessage = ({ data }) => {
      frames.push(JSON.parse(String(data)))
      if (frames.length === 1)
        running.server.hub.receive({
          events: [
            {
              ...{ site: "main", type: "page_view", visitor_id: VISITOR, page_url: "/", data: null },
              timestamp: "2025-12-08T10:00:00.000Z",
            },
          ],
          omitted: {},
          counted: { main: 1 },
        })
      if (frames.some(({ type }) => type === "page_view")) resolve()
    }
  })
  socket.close()
  const event = frames.find(({ type }) => type === "page_view")
  expect(event?.visitor_id).toMatch(/^[0-9a-f-]{36}$/)
  expect(event?.visitor_id).not.toBe(VISITOR)
})

test("a private server opens no WebSocket to whom it is closed", async () => {
  await using running = await serve({ access: "private" })
  const socket = new WebSocket(`${running.url.replace("http", "ws")}/ws/analytics`)
  const { type } = await new Promise<Event>((resolve) => {
    socket.onerror = resolve
    socket.onopen = resolve
  })
  expect(type).toBe("error")
})
